"""Users, projects, who belongs to which, and the keys that programs use."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

HOUR, DAY, WEEK, MONTH = 3600, 24 * 3600, 7 * 24 * 3600, 30 * 24 * 3600
LOWEST_THRESHOLD = 0.5


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:  # Any: the model's fields
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save()
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:  # Any: as above
        return self.create_user(email, password, **{"is_staff": True, "is_superuser": True, **fields})

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email__iexact=username)


class User(AbstractBaseUser, PermissionsMixin):
    """A person, known by e-mail. Inactive until approved, where sign-ups wait for approval."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=150, blank=True)
    is_active = models.BooleanField(
        gettext_lazy("may log in"),
        default=True,
        help_text=gettext_lazy("Approve a waiting account by switching this on."),
    )
    is_staff = models.BooleanField(gettext_lazy("may open the admin"), default=False)
    date_joined = models.DateTimeField(auto_now_add=True)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="user_email_unique_in_any_case")]

    def __str__(self) -> str:
        return self.name or self.email

    def clean(self) -> None:
        self.email = self.email.lower()  # allauth looks addresses up in small letters

    def get_short_name(self) -> str:
        return self.name or self.email.split("@")[0]

    @property
    def is_waiting(self) -> bool:
        """For approval: one that was let in once and is out again was switched off."""
        return not self.is_active and self.last_login is None


class Project(models.Model):
    """A wall around documents, conversations and cached answers."""

    class Visibility(models.TextChoices):
        MEMBERS = "members", gettext_lazy("Members only")
        EVERYONE = "everyone", gettext_lazy("Everyone with an account may read and ask")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=100)
    visibility = models.CharField(max_length=10, choices=Visibility, default=Visibility.MEMBERS)
    corpus_version = models.PositiveBigIntegerField(
        default=0,
        editable=False,
        help_text=gettext_lazy("Moves with every change of what can be found in this project."),
    )
    cache_ttl = models.PositiveIntegerField(
        gettext_lazy("cached answers live"),
        default=HOUR,
        validators=[MinValueValidator(0), MaxValueValidator(WEEK)],
        help_text=gettext_lazy("Seconds, one week at most. 0 switches the cache of answers off."),
    )
    is_stable = models.BooleanField(
        gettext_lazy("documents seldom change"),
        default=False,
        help_text=gettext_lazy("Cached answers live 24 hours at least."),
    )
    uses_exact_cache = models.BooleanField(
        gettext_lazy("exact cache"),
        default=True,
        help_text=gettext_lazy("The same question again is answered from the cache."),
    )
    uses_semantic_cache = models.BooleanField(
        gettext_lazy("semantic cache"),
        default=True,
        help_text=gettext_lazy("The same question in other words is answered from the cache."),
    )
    cache_threshold = models.FloatField(
        gettext_lazy("similarity threshold"),
        default=0.95,
        validators=[MinValueValidator(LOWEST_THRESHOLD), MaxValueValidator(1.0)],
        help_text=gettext_lazy("Cosine from which on a stored question may be taken for the asked one, 0.5 to 1."),
    )
    cache_error_bound = models.FloatField(
        gettext_lazy("error bound of a semantic hit"),
        null=True,
        blank=True,
        validators=[MinValueValidator(0.001), MaxValueValidator(0.5)],
        help_text=gettext_lazy(
            "The largest probability of a wrong hit, such as 0.02; it replaces the threshold. Empty: none."
        ),
    )
    asks_second_opinion = models.BooleanField(
        gettext_lazy("second opinion"),
        default=False,
        help_text=gettext_lazy("In doubt the model is asked whether two questions are one."),
    )
    stale_ttl = models.PositiveIntegerField(
        gettext_lazy("expired answers may serve when every model is down, for"),
        default=DAY,
        validators=[MaxValueValidator(MONTH)],
        help_text=gettext_lazy(
            "Seconds after their end, 30 days at most. Only while their documents are unchanged. 0 for never."
        ),
    )
    cache_epoch = models.PositiveIntegerField(
        default=0,
        editable=False,
        help_text=gettext_lazy("Part of every key in Redis: moving it forgets all of them at once."),
    )
    verdict_offset = models.FloatField(
        default=0.0,
        editable=False,
        help_text=gettext_lazy("What this project's judged hits add to the log-odds of a match."),
    )
    created_at = models.DateTimeField(auto_now_add=True)
    deleted_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text=gettext_lazy("Nobody opens it any more; a task takes away what it holds."),
    )

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(cache_threshold__gte=LOWEST_THRESHOLD, cache_threshold__lte=1),
                name="project_cache_threshold_in_range",
            ),
            models.CheckConstraint(
                condition=models.Q(cache_error_bound=None)
                | models.Q(cache_error_bound__gte=0.001, cache_error_bound__lte=0.5),
                name="project_cache_error_bound_in_range",
            ),
            models.CheckConstraint(
                condition=models.Q(stale_ttl__lte=MONTH), name="project_stale_ttl_one_month_at_most"
            ),
            models.CheckConstraint(condition=models.Q(cache_ttl__lte=WEEK), name="project_cache_ttl_one_week_at_most"),
            models.CheckConstraint(
                condition=models.Q(visibility__in=["members", "everyone"]), name="project_visibility_known"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    VIEWER = "viewer", gettext_lazy("Viewer: reads and asks")
    EDITOR = "editor", gettext_lazy("Editor: adds and deletes documents too")
    OWNER = "owner", gettext_lazy("Owner")


class Membership(models.Model):
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role, default=Role.VIEWER)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "user"], name="membership_once_per_project"),
            models.CheckConstraint(
                condition=models.Q(role__in=["viewer", "editor", "owner"]), name="membership_role_known"
            ),
        ]

    def __str__(self) -> str:
        words = {"user": self.user, "project": self.project, "role": self.get_role_display()}
        return gettext("%(user)s in %(project)s: %(role)s") % words


class Invitation(models.Model):
    """A link that makes whoever opens it a member. Only the SHA-256 of its token is kept: it is shown once.

    It counts only while whoever made it may still manage the project (`accounts.invitations`).
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="invitations")
    role = models.CharField(max_length=10, choices=Role, default=Role.VIEWER)
    email = models.EmailField(blank=True, help_text=gettext_lazy("The one address that may use it; empty for any."))
    digest = models.CharField(max_length=64, unique=True)
    created_by = models.ForeignKey(User, on_delete=models.CASCADE, related_name="invitations")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    max_uses = models.PositiveIntegerField(null=True, blank=True, help_text=gettext_lazy("Empty: as many as come."))
    uses = models.PositiveIntegerField(default=0)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(role__in=["viewer", "editor"]), name="invitation_role_below_owner"
            ),
            models.CheckConstraint(
                condition=models.Q(max_uses=None) | models.Q(uses__lte=models.F("max_uses")),
                name="invitation_used_no_more_than_it_may",
            ),
        ]

    def __str__(self) -> str:
        return f"To {self.project} ({self.role})"


class ApiKey(models.Model):
    """What a program shows. Only the SHA-256 is kept: the key itself is printed once."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="api_keys")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=100, blank=True)
    prefix = models.CharField(max_length=12, help_text=gettext_lazy("The first characters, to tell keys apart."))
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.prefix}… ({self.name or self.project})"
