"""All settings of Tandem, read from the environment once.

Each variable is explained, with unit, default and reason, in docs/settings.md; a test keeps the two in step.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tandem.config import env
from tandem.config.support_site import UNFOLD as UNFOLD

BASE_DIR = Path(__file__).resolve().parent.parent.parent

# --- Where things live ---------------------------------------------------------------------------------------------
DATA_DIR = env.path("TANDEM_DATA_DIR", Path.cwd() / "var", shown="./var")
DEBUG = env.flag("TANDEM_DEBUG", False)
with suppress(OSError):  # told in one line by whatever needs it
    DATA_DIR.mkdir(parents=True, exist_ok=True)


def _kept_secret() -> str:
    """The secret of this installation, which `tandem migrate` made and kept (secret_key.py).

    While there is none, one for this process alone: whatever works with the database asks first whether it was kept.
    """
    with suppress(OSError):
        if kept := (DATA_DIR / "secret_key").read_text().strip():
            return kept
    return secrets.token_urlsafe(50)


SECRET_KEY = env.text("TANDEM_SECRET_KEY") or _kept_secret()
ALLOWED_HOSTS = env.hosts("TANDEM_ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
PUBLIC_URL = env.address("TANDEM_PUBLIC_URL")
TRUSTED_PROXIES = env.networks("TANDEM_TRUSTED_PROXIES")

# --- Database ------------------------------------------------------------------------------------------------------
_postgresql = env.database_url("DATABASE_URL")
_SQLITE: dict[str, Any] = {
    "ENGINE": "tandem.common.sqlite",
    "NAME": DATA_DIR / "tandem.sqlite3",
    "TEST": {"NAME": ":memory:"},
    # IMMEDIATE: a transaction takes the write lock when it begins, so it can wait for it; one that asks for it only
    # at its first write is refused at once. WAL is set once, by `tandem migrate`, for it is kept in the file.
    "OPTIONS": {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA synchronous=FULL; PRAGMA cache_size=-16000; PRAGMA temp_store=MEMORY;",
    },
}
_prepare_after = env.whole("TANDEM_PREPARE_AFTER", 2, most=1_000_000)
_default: dict[str, Any] = _postgresql or _SQLITE
if _postgresql:
    # Prepared on the server from the third use on: a read then costs no parsing and no planning there.
    _default["OPTIONS"] |= {
        "server_side_binding": True,
        "prepare_threshold": _prepare_after or None,
        "connect_timeout": 5,
    }
_default["CONN_MAX_AGE"] = None
DATABASES = {"default": _default}
_replica: dict[str, Any] | None = env.database_url("DATABASE_REPLICA_URL")
if _replica and not _postgresql:
    raise env.BadSetting("DATABASE_REPLICA_URL", "it is a copy of DATABASE_URL's database, and that is not set")
if _replica:
    # Whatever the server would let us do: reports and exports read. The search path may be among the options.
    _told = [_default["OPTIONS"].get("options", ""), _replica["OPTIONS"].get("options", "")]
    _read_only = {"options": " ".join([*_told, "-c default_transaction_read_only=on"]).strip()}
    _replica["OPTIONS"] = _default["OPTIONS"] | _replica["OPTIONS"] | _read_only
    DATABASES["replica"] = _replica | {"CONN_MAX_AGE": None, "TEST": {"MIRROR": "default"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Time and place ------------------------------------------------------------------------------------------------
TIME_ZONE = env.zone("TANDEM_TIME_ZONE", "Asia/Kolkata")
USE_TZ = True
LANGUAGE_CODE = "en"
USE_I18N = False
FORMAT_MODULE_PATH = "tandem.config.formats"
PHONE_REGION = env.region("TANDEM_PHONE_REGION", "IN")

# --- Applications --------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "tandem.common",
    "tandem.accounts",
    "tandem.events",
    "tandem.sms",
    "tandem.files",
    "tandem.jobs",
    "tandem.fieldservice",
    "tandem.academy",
    "tandem.webhooks",
    "tandem.config",
]
AUTH_USER_MODEL = "accounts.User"
SILENCED_SYSTEM_CHECKS = [
    "auth.W004",  # usernames are unique whatever their case, by a constraint on Lower("username")
    "security.W005",  # HTTPS is asked of browsers for this name alone; see SECURE_HSTS_INCLUDE_SUBDOMAINS
    "security.W021",
]
ROOT_URLCONF = "tandem.config.urls"
WSGI_APPLICATION = "tandem.config.wsgi.application"

# API calls meet the first three only (common/middleware.py).
MIDDLEWARE = [
    "tandem.common.middleware.Envelope",
    "django.middleware.security.SecurityMiddleware",
    "tandem.common.middleware.Straight",  # calls of the API end here: what follows is for pages
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "tandem" / "config" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
APPEND_SLASH = True

# --- Passwords, tokens, logins -------------------------------------------------------------------------------------
PASSWORD_HASHERS = ["tandem.accounts.passwords.Argon2"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ["username", "name", "phone", "email"]},
    },
    *(
        {"NAME": f"django.contrib.auth.password_validation.{name}"}
        for name in ("MinimumLengthValidator", "CommonPasswordValidator", "NumericPasswordValidator")
    ),
]
AUTHENTICATION_BACKENDS = ["tandem.accounts.backends.Accounts"]
LOGIN_THROTTLE = env.choice("TANDEM_LOGIN_THROTTLE", "on", ["on", "off"]) == "on"
ACCESS_TOKEN_MINUTES = env.whole("TANDEM_ACCESS_TOKEN_MINUTES", 30, least=1, most=525_600)
REFRESH_TOKEN_DAYS = env.whole("TANDEM_REFRESH_TOKEN_DAYS", 30, least=1, most=3_650)
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=ACCESS_TOKEN_MINUTES),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=REFRESH_TOKEN_DAYS),
    "ALGORITHM": "HS256",
    "SIGNING_KEY": SECRET_KEY,
    "USER_ID_CLAIM": "user_id",
}

# --- The API -------------------------------------------------------------------------------------------------------
MAX_UNPAGED = env.whole("TANDEM_MAX_UNPAGED", 1000, least=1, most=1_000_000)
CORS_ORIGINS = env.origins("TANDEM_CORS_ORIGINS")
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "tandem.accounts.authentication.AccessTokens",
        "tandem.accounts.authentication.KeyTokens",
    ],
    "DEFAULT_PARSER_CLASSES": ["tandem.common.parsing.StrictJson"],
    "DEFAULT_RENDERER_CLASSES": ["tandem.common.rendering.Json"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_SCHEMA_CLASS": "tandem.common.schema.EndpointSchema",
    "EXCEPTION_HANDLER": "tandem.common.rendering.answer_exception",
    "UNAUTHENTICATED_USER": None,
    "COERCE_DECIMAL_TO_STRING": True,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Tandem",
    "DESCRIPTION": "One CRM for companies that sell, train and service.",
    "VERSION": "0.1.0",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": ["tandem.common.schema.add_components"],
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576  # bytes of a JSON body
FILE_UPLOAD_MAX_MEMORY_SIZE = 1_048_576

# --- Background work -----------------------------------------------------------------------------------------------
BROKER_URL = env.url("TANDEM_BROKER_URL", schemes=("amqp", "amqps", "redis", "rediss"))
if BROKER_URL and find_spec("celery") is None:
    raise env.BadSetting("TANDEM_BROKER_URL", "it needs more packages; install tandem[broker]")

# --- Files ---------------------------------------------------------------------------------------------------------
S3_BUCKET = env.text("TANDEM_S3_BUCKET")
_bucket: dict[str, Any] = {
    "BACKEND": "tandem.files.buckets.Bucket",
    "OPTIONS": {
        "bucket_name": S3_BUCKET,
        "endpoint_url": env.url("TANDEM_S3_ENDPOINT_URL") or None,
        "region_name": env.text("TANDEM_S3_REGION") or None,
        "access_key": env.text("TANDEM_S3_ACCESS_KEY") or None,
        "secret_key": env.text("TANDEM_S3_SECRET_KEY") or None,
    },
}
if S3_BUCKET and find_spec("storages") is None:
    raise env.BadSetting("TANDEM_S3_BUCKET", "it needs more packages; install tandem[s3]")
STORAGES: dict[str, Any] = {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    # Private: never under a public address, only behind the signed links of tandem.files.
    "files": _bucket
    if S3_BUCKET
    else {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": DATA_DIR / "files",
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    },
}

# --- Contract F: field service -------------------------------------------------------------------------------------
CRM_ALLOW_CUSTOMER_CARD_CREATE = env.flag("CRM_ALLOW_CUSTOMER_CARD_CREATE", False)
CRM_BOOKING_WINDOW_DAYS = env.whole("CRM_BOOKING_WINDOW_DAYS", 30, least=1, most=3_650)
CRM_MAX_VISITS_PER_DAY = env.whole("CRM_MAX_VISITS_PER_DAY", 8, least=1, most=1_000)
CRM_OTP_DIGITS = env.whole("CRM_OTP_DIGITS", 6, least=4, most=8)
CRM_OTP_IN_ANSWER = env.flag("CRM_OTP_IN_ANSWER", False)
CRM_AUTOASSIGN_EVERY_MINUTES = env.whole("CRM_AUTOASSIGN_EVERY_MINUTES", 0, most=525_600)

# --- SMS -----------------------------------------------------------------------------------------------------------
SMS_BACKEND = env.choice("TANDEM_SMS_BACKEND", "console", ["console", "file", "http", "twilio"])
SMS_FILE = env.path("TANDEM_SMS_FILE", DATA_DIR / "sms.jsonl", shown="$TANDEM_DATA_DIR/sms.jsonl")
SMS_HTTP_URL = env.url("TANDEM_SMS_HTTP_URL")
SMS_HTTP_TOKEN = env.text("TANDEM_SMS_HTTP_TOKEN")
SMS_TWILIO_ACCOUNT = env.text("TANDEM_SMS_TWILIO_ACCOUNT")
SMS_TWILIO_TOKEN = env.text("TANDEM_SMS_TWILIO_TOKEN")
SMS_TWILIO_FROM = env.text("TANDEM_SMS_TWILIO_FROM")

# --- Webhooks ------------------------------------------------------------------------------------------------------
WEBHOOK_ALLOWED_NETWORKS = env.networks("TANDEM_WEBHOOK_ALLOWED_NETWORKS")

# --- Safety of the installation ------------------------------------------------------------------------------------
# Behind HTTPS (a public URL that begins with https) cookies travel only there and browsers are told to stay there.
_HTTPS = PUBLIC_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = _HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if _HTTPS else 0
# For this name alone: what other names of the company's domain do is not ours to say, least of all for a year.
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = False
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$", r"^metrics$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL else []
X_FRAME_OPTIONS = "DENY"

# --- Logs ----------------------------------------------------------------------------------------------------------
LOG_LEVEL = env.choice("TANDEM_LOG_LEVEL", "INFO", ["DEBUG", "INFO", "WARNING", "ERROR"])
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "tandem.common.logs.JsonLines"}},
    "filters": {"bugs": {"()": "tandem.common.logs.BugsOnly"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    # Libraries are heard from WARNING on, whatever the level: below it they tell addresses and headers of what is sent,
    # and these hold passwords and keys.
    "root": {"handlers": ["stderr"], "level": "ERROR" if LOG_LEVEL == "ERROR" else "WARNING"},
    "loggers": {
        "tandem": {"level": LOG_LEVEL},
        # Takes away the handlers that Django's own configuration gave to it.
        "django": {"handlers": [], "level": "WARNING", "propagate": True},
        # Each refused request would be a line here, a second time; the request line of the middleware has it.
        "django.request": {"filters": ["bugs"], "level": "ERROR"},
        # So has each call by a wrong name. Whoever scans the internet makes some: nobody is to be woken for them.
        "django.security.DisallowedHost": {"level": "CRITICAL"},
    },
}
