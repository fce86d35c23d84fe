"""Settings: the one place that reads the environment. A test checks that `.env.example` lists all of them."""

import ipaddress
from datetime import timedelta
from email.utils import parseaddr
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from limits import parse
from pydantic import (
    AfterValidator,
    DirectoryPath,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

from domain.notification_rules import Delays
from domain.upload_rules import UploadRules
from gateway.addresses import Network
from gateway.embedded import Servers, find_servers
from media.jobs import MediaLimits
from media.processing import ProcessingRules
from protocol.media import MediaKind
from storage.bucket import Bucket
from storage.redis_servers import servers_of


class SettingsError(Exception):
    """A setting is missing or wrong; the message says which, and what to do."""


def _rate(value: str) -> str:
    try:
        parse(value)
    except ValueError:
        raise ValueError(f"{value!r} is not a rate, such as 10/hour or 5/15 minute") from None
    return value


def _networks(value: str) -> list[Network]:
    """Raises ValueError."""
    parts = [part.strip() for part in value.split(",")]
    return [_unmapped(ipaddress.ip_network(part, strict=False)) for part in parts if part]


def _unmapped(network: Network) -> Network:
    """The network as IPv4 if it is IPv4 mapped to IPv6, because addresses of clients are compared in that form."""
    mapped = network.network_address.ipv4_mapped if isinstance(network, ipaddress.IPv6Network) else None
    return network if mapped is None else ipaddress.ip_network((mapped, network.prefixlen - 96))


# Settings, each with those that it cannot be used without.
_NEEDED = {
    "classifier_url": ("classifier_secret",),
    "classifier_secret": ("classifier_url",),
    "apns_key": ("apns_key_id", "apns_team_id", "apns_topic"),
    "webpush_key": ("webpush_subject",),
    "smtp_url": ("smtp_from",),
    "kafka_user": ("kafka_brokers", "kafka_password"),
    "kafka_ca": ("kafka_tls",),
    "opensearch_user": ("opensearch_url", "opensearch_password"),
    "opensearch_ca": ("opensearch_url",),
}

Rate = Annotated[str, AfterValidator(_rate)]
KafkaMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="DAIRA_",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        env_nested_delimiter="_",  # DAIRA_LIMIT_POST is limit["post"]
        env_nested_max_split=1,
    )

    secrets_dir: DirectoryPath | None = Field(
        None,
        description="Folder of files that hold settings, each named as its variable. The environment wins over them.",
    )
    host: str = Field("127.0.0.1", description="Address that the gateway listens on.")
    port: int = Field(8000, description="Port of the gateway.", ge=0, le=65535)
    sidecar_port: int = Field(8001, description="Port of the sidecar, which serves health and metrics.", ge=0, le=65535)
    worker_sidecar_port: int = Field(8002, description="Port of the sidecar of `daira work`.", ge=0, le=65535)
    data_dir: Path = Field(Path(".daira"), description="Folder where `daira up` keeps the data of its servers.")

    postgres_url: SecretStr | None = Field(
        None,
        description="PostgreSQL as the application role, which owns nothing. Default: the embedded servers.",
    )
    postgres_worker_url: SecretStr | None = Field(
        None, description="PostgreSQL as the worker role. Required with DAIRA_POSTGRES_URL."
    )
    postgres_owner_url: SecretStr | None = Field(
        None, description="PostgreSQL as the owner of the tables, for migrate, seed, token and the developer page."
    )
    postgres_direct_url: SecretStr | None = Field(
        None,
        description="PostgreSQL as the worker role without PgBouncer, for LISTEN. Default: DAIRA_POSTGRES_WORKER_URL.",
    )
    postgres_programs: Path | None = Field(
        None,
        description="Folder of pg_dump and pg_restore, as new as the server or newer. Default: PATH; for the embedded "
        "servers: theirs.",
    )
    postgres_replica_url: SecretStr | None = Field(
        None,
        description="A streaming replica of PostgreSQL, as the application role, for methods that read. It must be one "
        "server, which no balancer exchanges. Default: the primary serves reads.",
    )
    postgres_replica_wait: float = Field(
        0.02,
        description="Seconds that a read waits until the replica is current. After that, reads go to the primary.",
        gt=0,
        le=5,
    )
    postgres_pool: int = Field(20, description="Most connections that a process opens for each role.", ge=2, le=500)
    redis_url: SecretStr | None = Field(
        None,
        description="redis://, redis+sentinel://host:port,…/service or, with DAIRA_KAFKA_BROKERS, "
        "redis+cluster://host:port,… Required with DAIRA_POSTGRES_URL.",
    )
    realtime_redis_url: SecretStr | None = Field(
        None, description="Redis for pushes and recovery; may be redis+cluster://host:port,… Default: DAIRA_REDIS_URL."
    )
    prefix: str = Field("daira", description="Prefix of all Redis keys and channels.", pattern=r"^[a-z0-9-]{1,40}$")
    s3_endpoint: str | None = Field(None, description="URL of the S3 endpoint. Required with DAIRA_POSTGRES_URL.")
    s3_access_key: SecretStr | None = Field(None, description="Access key of the S3 endpoint.")
    s3_secret_key: SecretStr | None = Field(None, description="Secret key of the S3 endpoint.")
    s3_bucket: str = Field("daira", description="Bucket for all objects. It is created if it is missing.")
    s3_region: str = Field("us-east-1", description="Region of the S3 endpoint.")
    s3_public_endpoint: str | None = Field(
        None, description="URL by which clients reach the S3 endpoint. Default: DAIRA_S3_ENDPOINT."
    )
    cdn_url: str | None = Field(
        None, description="URL of a CDN in front of the bucket, for files that everybody may see. Default: signed URLs."
    )
    media_image_mb: float = Field(10, description="Largest image that may be uploaded, in MB.", gt=0, le=16_000)
    media_video_mb: float = Field(500, description="Largest video that may be uploaded, in MB.", gt=0, le=16_000)
    media_audio_mb: float = Field(50, description="Largest sound that may be uploaded, in MB.", gt=0, le=16_000)
    media_quota_mb: float = Field(5_000, description="Size of all files of a user together, in MB.", gt=0)
    media_quota_video: float = Field(36_000, description="Seconds of all videos of a user together.", gt=0)
    media_minutes: float = Field(60, description="Longest video or sound, in minutes.", gt=0, le=600)
    media_threads: int = Field(2, description="Threads of each process that encodes a video.", ge=1, le=64)
    media_scratch: str | None = Field(
        None, description="Folder of files that are being processed. Default: the system's for temporary files."
    )
    kafka_brokers: str | None = Field(
        None,
        description="host:port[,host:port…] of Kafka, which carries events to workers. Default: Redis Streams.",
        pattern=r"^[^\s,:]+:\d+(,[^\s,:]+:\d+)*$",
    )
    kafka_user: str | None = Field(None, description="User of Kafka, by SASL. Requires its password.")
    kafka_password: SecretStr | None = Field(None, description="Password of that user.")
    kafka_mechanism: KafkaMechanism = Field(
        "SCRAM-SHA-512", description="How that user signs in: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."
    )
    kafka_tls: bool = Field(False, description="Whether connections to Kafka are encrypted.")
    kafka_ca: Path | None = Field(
        None, description="File of the certificate authority of Kafka. Default: those that the system trusts."
    )
    kafka_partitions: int = Field(
        8,
        description="Partitions of each topic of Kafka: the most workers of a group. See docs/operating.md.",
        ge=1,
        le=1_000,
    )
    kafka_replicas: int | None = Field(
        None, description="Copies of each partition. Default: 3, or one on each broker if there are fewer.", ge=1, le=9
    )
    kafka_retention: float = Field(168.0, description="Hours for which Kafka keeps events.", ge=1)
    search_engine: Literal["postgres", "opensearch"] = Field(
        "postgres", description="Where search finds what was written: postgres, or opensearch, which requires its URL."
    )
    opensearch_url: str | None = Field(
        None,
        description="http://host:port or https://… of an OpenSearch cluster (2.x), or of a balancer before its nodes.",
        pattern=r"^https?://[^\s/@]+$",
    )
    opensearch_user: str | None = Field(None, description="User of OpenSearch. Requires its password.")
    opensearch_password: SecretStr | None = Field(None, description="Password of that user.")
    opensearch_ca: Path | None = Field(
        None, description="File of the certificate authority of OpenSearch. Default: those that the system trusts."
    )
    opensearch_shards: int = Field(
        3,
        description="Shards of the index: the most nodes that share it. `daira search reindex` changes it.",
        ge=1,
        le=100,
    )

    token_keys: SecretStr | None = Field(
        None,
        description="id:secret[,id:secret…]: the first signs tokens, all verify. Secrets of 32 characters or more.",
    )
    sealing_keys: SecretStr | None = Field(
        None,
        description="id:secret[,id:secret…]: the first encrypts the secrets of second factors, all decrypt them. "
        "Without it, nobody can switch a second factor on.",
    )
    staff_proof: float = Field(
        43_200.0,
        description="Seconds for which a proof of the second factor lets moderators and admins work. 0: none is asked "
        "for, which needs a local DAIRA_HOST.",
        ge=0,
    )
    refresh_leeway: float = Field(
        10.0, description="Seconds in which a client may repeat a refresh whose answer it lost. 0: never.", ge=0
    )
    livekit_url: str | None = Field(
        None, description="wss://… of LiveKit, which carries the voice of live rooms. Requires its key and secret."
    )
    livekit_key: str | None = Field(None, description="API key of LiveKit.")
    livekit_secret: SecretStr | None = Field(None, description="API secret of LiveKit.")
    recordings: bool = Field(
        False,
        description="Whether hosts may record live rooms. LiveKit needs an egress service and our webhook for it.",
    )
    fcm_service_account: SecretStr | None = Field(
        None, description="JSON of the service account for Firebase Cloud Messaging, or the path of its file."
    )
    fcm_url: str = Field("https://fcm.googleapis.com", description="URL of Firebase Cloud Messaging.")
    apns_key: SecretStr | None = Field(
        None,
        description="Key (.p8) for Apple's push service, or the path of its file. Requires its id, team and topic.",
    )
    apns_key_id: str | None = Field(None, description="Id of that key.")
    apns_team_id: str | None = Field(None, description="Id of the team that owns it.")
    apns_topic: str | None = Field(None, description="Bundle id of the app.")
    apns_url: str = Field(
        "https://api.push.apple.com",
        description="URL of Apple's push service. For development builds: https://api.sandbox.push.apple.com",
    )
    webpush_key: SecretStr | None = Field(
        None, description="Private VAPID key, as PEM or base64url, or the path of its file. Requires its subject."
    )
    webpush_subject: str | None = Field(
        None, description="mailto: or https: URL at which push services reach the operator."
    )
    webpush_hosts: str = Field(
        "fcm.googleapis.com,updates.push.services.mozilla.com,*.notify.windows.com,*.push.apple.com",
        description="Push services of browsers: host, host:port or *.domain, separated by commas.",
    )
    smtp_url: SecretStr | None = Field(
        None, description="smtp://user:password@host:port, encrypted by STARTTLS, or smtps://… Requires the sender."
    )
    smtp_from: str | None = Field(None, description="Sender of e-mail: an address, or name <address>.")
    smtp_unsubscribe: str | None = Field(
        None, description="mailto: or https: URL to unsubscribe from e-mail. Default: mailto: the sender's address."
    )
    classifier_url: str | None = Field(
        None,
        description="http(s)://… of an outside classifier, which is asked about each post and comment. Requires its "
        "secret. See docs/moderation.md.",
        pattern=r"^https?://[^\s@]+$",
    )
    classifier_secret: SecretStr | None = Field(
        None, description="Secret that requests to the classifier and its answers are signed with.", min_length=32
    )
    classifier_deadline: float = Field(
        2.0, description="Seconds for which workers wait for the classifier, with all tries.", gt=0, le=30
    )
    chat_edit_window: float = Field(
        900.0, description="Seconds after which a chat message can no longer be edited.", ge=0
    )
    chat_delete_window: float = Field(
        172_800.0, description="Seconds after which a chat message can no longer be deleted for everyone.", ge=0
    )
    push_delay: float = Field(
        45.0, description="Seconds for which a notification stays unseen before devices get it by push.", ge=0
    )
    email_delay: float = Field(
        3600.0, description="Seconds for which a notification stays unseen before it is sent by e-mail.", ge=0
    )
    deletion_grace: float = Field(
        30.0, description="Days for which users may cancel the deletion of their account, before it is erased.", ge=0
    )
    terms_version: str = Field(
        "1",
        description="Version of the terms and of the privacy policy that new users agree to, kept with their consent.",
        pattern=r"^[A-Za-z0-9._-]{1,40}$",
    )
    username_reservation: float = Field(
        90.0, description="Days for which nobody can take the username of an account that was erased.", ge=0
    )
    explore_cache: float = Field(300.0, description="Seconds for which explore pages are cached; 0: not at all.", ge=0)
    call_deadline: float = Field(10.0, description="Seconds after which a call is cancelled.", gt=0)
    shed_delay: float = Field(
        0.2,
        description="Seconds for which calls may wait for a busy node or PostgreSQL before some are refused.",
        gt=0,
    )
    ping_interval: float = Field(25.0, description="Seconds between Engine.IO pings.", gt=0)
    ping_timeout: float = Field(20.0, description="Seconds to wait for the answer to a ping.", gt=0)
    drain: float = Field(
        10.0,
        description="Seconds over which a stopping node closes its connections; clients reconnect to other nodes.",
        ge=0,
    )
    allowed_origins: str = Field(
        "", description="Allowed origins of web apps, separated by commas, or *. Default: the same origin."
    )
    trusted_proxies: str = Field("", description="Networks whose X-Forwarded-For is trusted, separated by commas.")
    sidecar_names: str = Field(
        "", description="Host names that contain a dot and that the sidecar answers to, separated by commas."
    )
    sticky: bool = Field(
        False,
        description="Whether balancers keep each client on one process. Required for polling with several processes.",
    )

    developer_page: bool = Field(
        False,
        description="A page at / where anyone signs in as any demo user. On in `daira up`. Needs a local DAIRA_HOST.",
    )

    console_port: int | None = Field(
        None,
        description="Port of the moderators' console at /admin, on DAIRA_CONSOLE_HOST. Default: no console. Keep it in "
        "a private network.",
        ge=0,
        le=65535,
    )
    console_host: str = Field("127.0.0.1", description="Address that the console listens on.")

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="info logs refused and slow calls, debug logs all calls."
    )
    log_format: Literal["json", "console"] = Field("json", description="json, or console for reading in a terminal.")

    trace_endpoint: str | None = Field(
        None,
        description="URL of a collector that takes traces by OTLP over HTTP, as http://127.0.0.1:4318/v1/traces. "
        "Requires the extra `tracing`.",
        pattern="^https?://",
    )
    trace_sample: float = Field(0.01, description="Share of the calls whose traces are exported.", ge=0, le=1)
    sentry_dsn: SecretStr | None = Field(
        None, description="DSN of Sentry, which gets reports of faults. Requires the extra `sentry`."
    )

    limit_loopback: bool = Field(
        False, description="Whether limits by address also count the addresses of this machine."
    )
    limit_connect: Rate = Field("200/second", description="Connections by address on one node, counted in memory.")
    limit_calls: Rate = Field("50/second", description="Calls of one connection, counted in memory.")
    limit_work: Rate = Field(
        "12000/minute",
        description="Milliseconds that the calls of one user keep PostgreSQL and all nodes busy.",
    )
    limit_media: Rate = Field(
        "100/second", description="HTTP requests for media by address on one node, counted in memory."
    )
    limit_handshake: Rate = Field("100/minute", description="Anonymous connections by address.")
    limit: dict[str, Rate] = Field({}, description="Limits that methods declare, by name: see `daira limits`.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the environment, then .env, then the files in DAIRA_SECRETS_DIR. pydantic refuses a missing folder."""
        sources = init_settings, env_settings, dotenv_settings
        folder = next((found for source in sources if (found := source().get("secrets_dir"))), None)
        if folder is None or not Path(folder).is_dir():
            return sources
        return *sources, SecretsSettingsSource(settings_cls, folder)

    @field_validator("redis_url", "realtime_redis_url", mode="after")
    @classmethod
    def _is_redis(cls, value: SecretStr | None) -> SecretStr | None:
        if value:
            servers_of(value.get_secret_value())
        return value

    @field_validator(
        "postgres_url", "postgres_worker_url", "postgres_owner_url", "postgres_direct_url", "postgres_replica_url",
        mode="after",
    )  # fmt: skip
    @classmethod
    def _is_postgres(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not value.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("must begin with postgresql://")
        return value

    @field_validator("trusted_proxies", mode="after")
    @classmethod
    def _is_networks(cls, value: str) -> str:
        _networks(value)
        return value

    @field_validator("limit", mode="before")
    @classmethod
    def _without_fields(cls, value: dict[str, str]) -> dict[str, str]:
        """Leave out variables DAIRA_LIMIT_* that are settings of their own."""
        return {name: rate for name, rate in value.items() if f"limit_{name}" not in cls.model_fields}

    @field_validator("limit_calls", "limit_work", mode="after")
    @classmethod
    def _allows_something(cls, value: str) -> str:
        if parse(value).amount < 1:
            raise ValueError("must allow at least one, as in 1/second")
        return value

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.has_redis_cluster and not self.kafka_brokers:
            raise ValueError(
                "DAIRA_REDIS_URL may be a cluster only with DAIRA_KAFKA_BROKERS: Redis Streams, as the event log, "
                "need one server"
            )
        if self.developer_page and not self.is_for_this_machine_alone:
            raise ValueError(
                "DAIRA_DEVELOPER_PAGE signs anyone in as any demo user: it requires DAIRA_HOST=127.0.0.1 and no "
                "DAIRA_TRUSTED_PROXIES"
            )
        if not self.staff_proof and not self.is_for_this_machine_alone:
            raise ValueError(
                "DAIRA_STAFF_PROOF=0 lets moderators in without a second factor: it requires DAIRA_HOST=127.0.0.1 and "
                "no DAIRA_TRUSTED_PROXIES"
            )
        if self.postgres_url:
            needed = ("postgres_worker_url", "redis_url", "s3_endpoint", "token_keys")
            missing = [f"DAIRA_{name.upper()}" for name in needed if not getattr(self, name)]
            if missing:
                raise ValueError(f"DAIRA_POSTGRES_URL also needs {', '.join(missing)}")
        livekit = (self.livekit_url, self.livekit_key, self.livekit_secret)
        if any(livekit) and not all(livekit):
            raise ValueError("LiveKit needs all of DAIRA_LIVEKIT_URL, DAIRA_LIVEKIT_KEY and DAIRA_LIVEKIT_SECRET")
        if self.recordings and self.postgres_url and not self.livekit_url:
            raise ValueError("DAIRA_RECORDINGS also needs DAIRA_LIVEKIT_URL")
        if self.search_engine == "opensearch" and not self.opensearch_url:
            raise ValueError("DAIRA_SEARCH_ENGINE=opensearch also needs DAIRA_OPENSEARCH_URL")
        for name, others in _NEEDED.items():
            absent = [f"DAIRA_{other.upper()}" for other in others if not getattr(self, other)]
            if getattr(self, name) and absent:
                raise ValueError(f"DAIRA_{name.upper()} also needs {', '.join(absent)}")
        self._parse_keys("token_keys")
        self._parse_keys("sealing_keys")
        return self

    def for_a_laptop(self) -> Self:
        """These settings with the developer page, unless it is set, or other machines can reach the gateway."""
        if "developer_page" in self.model_fields_set:
            return self
        return self.model_copy(update={"developer_page": self.is_for_this_machine_alone})

    # ------------------------------------------------------------------------------------------ derived values

    @property
    def is_for_this_machine_alone(self) -> bool:
        """Whether only this machine reaches the gateway, and not through a proxy."""
        try:
            is_loopback = ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            is_loopback = self.host == "localhost"
        return is_loopback and not self.trusted_proxies

    @cached_property
    def _embedded(self) -> Servers:
        found = find_servers(self.data_dir)
        if found is None:
            raise SettingsError(
                f"there are no servers in {self.data_dir}: run `daira up` there first, or set DAIRA_POSTGRES_URL, "
                "DAIRA_POSTGRES_WORKER_URL, DAIRA_REDIS_URL, DAIRA_S3_ENDPOINT and DAIRA_TOKEN_KEYS"
            )
        return found

    @property
    def app_database(self) -> str:
        return self._secret(self.postgres_url) or self._embedded.postgres_url("daira_app")

    @property
    def classifier(self) -> tuple[str, str, float] | None:
        """Its URL, the shared secret, and the deadline in seconds."""
        if self.classifier_url is None:
            return None
        return self.classifier_url, self._secret(self.classifier_secret), self.classifier_deadline

    @property
    def replica(self) -> tuple[str, float] | None:
        """Its URL, and how long reads wait for it, in seconds."""
        url = self._secret(self.postgres_replica_url)
        return (url, self.postgres_replica_wait) if url else None

    @property
    def worker_database(self) -> str:
        if self.postgres_url:
            return self._secret(self.postgres_worker_url)
        return self._embedded.postgres_url("daira_worker")

    @property
    def direct_database(self) -> str:
        return self._secret(self.postgres_direct_url) or self.worker_database

    @property
    def owner_database(self) -> str:
        """The URL for the owner of the tables. Raises SettingsError if it is not set."""
        if not self.postgres_url:
            return self._embedded.postgres_url("daira_owner")
        if not self.postgres_owner_url:
            raise SettingsError("this command connects as the owner of the tables: set DAIRA_POSTGRES_OWNER_URL")
        return self._secret(self.postgres_owner_url)

    @property
    def redis(self) -> str:
        return self._secret(self.redis_url) or self._embedded.redis_url

    @property
    def has_redis_cluster(self) -> bool:
        """Whether all data in Redis but pushes is on a cluster."""
        return bool(self.redis_url) and servers_of(self._secret(self.redis_url)).is_cluster

    @property
    def realtime_redis(self) -> str:
        return self._secret(self.realtime_redis_url) or self.redis

    @property
    def bucket(self) -> Bucket:
        if self.s3_endpoint:
            keys = self._secret(self.s3_access_key), self._secret(self.s3_secret_key)
            return Bucket(self.s3_endpoint, *keys, self.s3_bucket, self.s3_region)
        servers = self._embedded
        keys = servers.s3_access_key, servers.s3_secret_key
        return Bucket(servers.s3_endpoint, *keys, self.s3_bucket, self.s3_region)

    @property
    def public_bucket(self) -> Bucket:
        """The bucket, addressed by the endpoint that clients can reach."""
        return self.bucket._replace(endpoint=self.s3_public_endpoint or self.bucket.endpoint)

    @property
    def upload_rules(self) -> UploadRules:
        megabytes: dict[MediaKind, float] = {
            "image": self.media_image_mb,
            "video": self.media_video_mb,
            "audio": self.media_audio_mb,
        }
        return UploadRules(
            largest={kind: int(size * 1_000_000) for kind, size in megabytes.items()},
            quota_bytes=int(self.media_quota_mb * 1_000_000),
            quota_video_ms=int(self.media_quota_video * 1_000),
        )

    @property
    def processing_rules(self) -> ProcessingRules:
        return ProcessingRules(
            limits=MediaLimits(duration_s=round(self.media_minutes * 60)),
            threads=self.media_threads,
            largest_output=int(max(self.media_video_mb, self.media_audio_mb) * 4_000_000),
            scratch=self.media_scratch,
        )

    @property
    def keys(self) -> dict[str, str]:
        """Key id → secret; the first signs."""
        return self._parse_keys("token_keys") or {"embedded": self._embedded.token_key}

    @property
    def sealing(self) -> dict[str, str]:
        """Key id → secret; the first seals. Empty without keys."""
        keys = self._parse_keys("sealing_keys")
        return keys if keys or self.postgres_url else {"embedded": self._embedded.token_key}

    @property
    def kafka(self) -> tuple[str, str, str, KafkaMechanism] | None:
        """Brokers, user, password, mechanism; None if the event log is on Redis Streams."""
        if self.kafka_brokers:
            return self.kafka_brokers, self.kafka_user or "", self._secret(self.kafka_password), self.kafka_mechanism
        embedded = None if self.postgres_url else self._embedded.kafka
        return (*embedded, "PLAIN") if embedded else None

    @property
    def opensearch(self) -> tuple[str, str, str] | None:
        """URL, user, password; None if search is in PostgreSQL."""
        if self.search_engine == "postgres" or self.opensearch_url is None:
            return None
        return self.opensearch_url, self.opensearch_user or "", self._secret(self.opensearch_password)

    @property
    def livekit(self) -> tuple[str, str, str] | None:
        """URL, API key, API secret."""
        if self.livekit_url:
            return self.livekit_url, self.livekit_key or "", self._secret(self.livekit_secret)
        return None if self.postgres_url else self._embedded.livekit

    @property
    def fcm(self) -> str | None:
        """The JSON of the service account."""
        return self._text_or_file(self.fcm_service_account)

    @property
    def apns(self) -> tuple[str, str, str, str] | None:
        """Key as PEM, its id, team, topic."""
        key = self._text_or_file(self.apns_key)
        return (key, self.apns_key_id or "", self.apns_team_id or "", self.apns_topic or "") if key else None

    @property
    def webpush(self) -> tuple[str, str] | None:
        """Private key, subject."""
        key = self._text_or_file(self.webpush_key)
        return (key, self.webpush_subject or "") if key else None

    @property
    def push_hosts(self) -> list[str]:
        return self.webpush_hosts.split(",")

    @property
    def smtp(self) -> tuple[str, str, str] | None:
        """URL, sender, URL to unsubscribe."""
        if not self.smtp_url:
            return None
        sender = self.smtp_from or ""
        return self._secret(self.smtp_url), sender, self.smtp_unsubscribe or f"mailto:{parseaddr(sender)[1]}"

    @property
    def staff_proof_age(self) -> timedelta | None:
        """None if no proof is required: on a laptop, demo users have no second factor."""
        is_asked_for = self.staff_proof and not self.developer_page
        return timedelta(seconds=self.staff_proof) if is_asked_for else None

    @property
    def delays(self) -> Delays:
        return Delays(push=timedelta(seconds=self.push_delay), email=timedelta(seconds=self.email_delay))

    @property
    def origins(self) -> list[str] | str | None:
        """The allowed origins: None means the same origin, "*" all."""
        if self.allowed_origins.strip() == "*":
            return "*"
        return [origin.strip() for origin in self.allowed_origins.split(",") if origin.strip()] or None

    @cached_property
    def proxies(self) -> list[Network]:
        return _networks(self.trusted_proxies)

    def _parse_keys(self, name: str) -> dict[str, str]:
        pairs = [pair.partition(":") for pair in self._secret(getattr(self, name)).split(",") if pair]
        if any(not key_id or len(secret) < 32 for key_id, _, secret in pairs):
            raise ValueError(f"DAIRA_{name.upper()} is id:secret[,id:secret…] with secrets of 32 characters or more")
        return {key_id.strip(): secret for key_id, _, secret in pairs}

    @classmethod
    def _text_or_file(cls, value: SecretStr | None) -> str | None:
        """A secret that may be the path of the file that holds it. Raises SettingsError."""
        text = cls._secret(value).strip()
        if not text or text.startswith(("{", "-----BEGIN")) or not Path(text).is_file():
            return text or None
        try:
            return Path(text).read_text()
        except OSError as error:
            raise SettingsError(f"{text} cannot be read: {error.strerror}") from None

    @staticmethod
    def _secret(value: SecretStr | None) -> str:
        return value.get_secret_value() if value else ""
