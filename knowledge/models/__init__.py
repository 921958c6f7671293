"""Documents → parts → chunks → vectors."""

from knowledge.models.chunk import Chunk
from knowledge.models.document import Document, DocumentPart, original_path
from knowledge.models.policy import KnowledgePolicy
from knowledge.models.space import ChunkEmbedding, EmbeddingSpace
from knowledge.models.web import WebPage, WebSource

__all__ = [
    "Chunk",
    "ChunkEmbedding",
    "Document",
    "DocumentPart",
    "EmbeddingSpace",
    "KnowledgePolicy",
    "WebPage",
    "WebSource",
    "original_path",
]
