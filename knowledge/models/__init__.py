"""Documents → parts → chunks → vectors."""

from knowledge.models.chunk import Chunk
from knowledge.models.document import Document, DocumentPart, original_path
from knowledge.models.origin import SyncedFile
from knowledge.models.policy import KnowledgePolicy
from knowledge.models.space import ChunkEmbedding, EmbeddingSpace
from knowledge.models.web import WebPage, WebSource
from knowledge.models.words import ChunkWords, CommonWord, Lexicon

__all__ = [
    "Chunk",
    "ChunkEmbedding",
    "ChunkWords",
    "CommonWord",
    "Document",
    "DocumentPart",
    "EmbeddingSpace",
    "KnowledgePolicy",
    "Lexicon",
    "SyncedFile",
    "WebPage",
    "WebSource",
    "original_path",
]
