"""The one place that makes AWS clients, so that region, account, endpoint, time limits and retries
are decided once and a test can point all of them at a server of its own.

tools/arrows.py sees to it that no other module makes one.
"""

from __future__ import annotations

from typing import Any

import loadcore as lc

try:
    import boto3
    from botocore import exceptions as botocore_exceptions
    from botocore.config import Config
    from botocore.exceptions import (
        BotoCoreError,
        ConfigParseError,
        CredentialRetrievalError,
        InvalidRegionError,
        MissingDependencyException,
        NoAuthTokenError,
        NoCredentialsError,
        NoRegionError,
        PartialCredentialsError,
        ProfileNotFound,
        SSOError,
        TokenRetrievalError,
    )
except ModuleNotFoundError as error:
    sentence = "loadcore_aws needs boto3; run  pip install '.[aws]'  in loadcore's folder"
    raise ImportError(sentence) from error

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 30
ATTEMPTS_MAX = 5

# Older releases of botocore do not know `aws login`.
_LOGIN_ERROR: Any = getattr(botocore_exceptions, "LoginError", ())
_REMEDIES = (
    ((SSOError, TokenRetrievalError, NoAuthTokenError), "run  aws sso login  for this profile"),
    (_LOGIN_ERROR, "run  aws login  for this profile"),
    (PartialCredentialsError, "set all of them or none"),
    (MissingDependencyException, "install it"),
    ((CredentialRetrievalError, NoCredentialsError), "run  aws configure, or sign in again"),
)


def is_of_credentials(error: BaseException) -> bool:
    """Whether there are none, or none that can be read; it may show with the first call only."""
    return isinstance(error, tuple(kinds for kinds, _ in _REMEDIES))


def credentials_error(error: BaseException, said: str) -> lc.RunError:
    """With the remedy; `said` is what the error says."""
    remedies = (remedy for kinds, remedy in _REMEDIES if isinstance(error, kinds))
    return lc.RunError(f"AWS credentials could not be had: {said.rstrip('.: ')}; "
                       f"{next(remedies, _REMEDIES[-1][1])}, then repeat the command")  # fmt: skip


class Session:
    """Makes clients for one region and account; for one thread at a time. The clients themselves
    may be shared between threads.

    What is left out comes from where the AWS command line takes it: environment variables
    (AWS_PROFILE, AWS_DEFAULT_REGION, AWS_ENDPOINT_URL), ~/.aws, the instance's role.

    `attempts_max` 1 leaves every repetition to the caller, who knows what may be repeated.

    Raises loadcore.PlanError for a profile that does not exist and for a file of ~/.aws that cannot
    be read.
    """

    def __init__(
        self,
        *,
        region: str | None = None,
        profile: str | None = None,
        endpoint_url: str | None = None,
        attempts_max: int = ATTEMPTS_MAX,
    ) -> None:
        try:
            self._session = boto3.Session(region_name=region, profile_name=profile)
        except ProfileNotFound as error:
            sentence = f"{error}; name one that `aws configure list-profiles` shows"
            raise lc.PlanError("profile", sentence) from None
        except ConfigParseError as error:
            sentence = "is no AWS configuration; mend it, or run  aws configure  to write it anew"
            raise lc.PlanError(error.kwargs["path"], sentence) from None
        self._endpoint_url = endpoint_url
        # "standard" also waits out throttling, which the older default barely does. It repeats
        # writes too: a write must carry what makes repeating it harmless.
        self._config = Config(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            retries={"mode": "standard", "total_max_attempts": attempts_max},
            user_agent_extra=f"loadcore/{lc.__version__}",
        )

    @property
    def region(self) -> str:
        """Raises loadcore.PlanError where none is set anywhere."""
        region: str | None = self._session.region_name
        if not region:
            raise lc.PlanError("region", "none is set; give one or set AWS_DEFAULT_REGION")
        return region

    def client(self, service: str) -> Any:
        """A new boto3 client of `service`, such as "ec2". Sends nothing, except that on an instance
        with a role the credentials are asked for.

        Raises loadcore.PlanError where no region is set, or what is set is none, or the endpoint is
        no URL, and loadcore.RunError where there are no credentials.
        """
        self._check_credentials()
        try:
            return self._session.client(
                service, endpoint_url=self._endpoint_url, config=self._config
            )
        except NoRegionError:
            sentence = f"none is set for {service}; give one or set AWS_DEFAULT_REGION"
            raise lc.PlanError("region", sentence) from None
        except InvalidRegionError:  # a ValueError, too
            sentence = f"{self.region!r} is none; give one such as eu-central-1"
            raise lc.PlanError("region", sentence) from None
        except ValueError as error:
            sentence = f"{error}; give a URL such as http://127.0.0.1:5000"
            raise lc.PlanError("endpoint_url", sentence) from None

    def _check_credentials(self) -> None:
        try:
            found = self._session.get_credentials()
        except BotoCoreError as error:
            raise credentials_error(error, str(error)) from None
        if found is None:
            raise lc.RunError(
                "no AWS credentials were found; run  aws configure, or set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or give the instance a role"
            )
