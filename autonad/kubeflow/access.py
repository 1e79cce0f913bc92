"""The way to a Kubeflow server: where it is, how to log in, and what it means when it refuses."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kfp_server_api
from kfp.client import Client, ServiceAccountTokenVolumeCredentials
from urllib3.exceptions import HTTPError

from autonad.errors import AutonadError, PipelineError, one_line, redact
from autonad.reading.bounds import folded, parse_json
from autonad.reading.shape_checks import Shape, check_shape


@dataclass(frozen=True)
class Access:
    """How to reach a server.

    Attributes:
        host: Its address; None uses the cluster that this runs in, or the one of the kubeconfig.
        namespace: Namespace of the user's profile, on a server with several users; None on one without.
        token: A token to present.
        cookies: A session cookie, such as Dex or OIDC sets after login ("authservice_session=…").
        in_cluster: Present the pod's service account token, made for Kubeflow Pipelines.
        ca_cert: File of the certificate authority, where the server's is a private one.
    """

    host: str | None = None
    namespace: str | None = None
    token: str | None = None
    cookies: str | None = None
    in_cluster: bool = False
    ca_cert: Path | None = None

    def log_in(self) -> Client:
        """A client of the server.

        Raises:
            PipelineError: It cannot be reached, or refuses.
        """
        credentials = ServiceAccountTokenVolumeCredentials() if self.in_cluster else None
        with self.explained():
            return _Client(
                host=self.host,
                namespace=self.namespace or "kubeflow",
                existing_token=self.token,
                cookies=self.cookies,
                credentials=credentials,
                ssl_ca_cert=None if self.ca_cert is None else str(self.ca_cert),
            )

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn what the client raises into one clear line."""
        place = redact(self.host, "") if self.host else "this cluster"  # the host may carry a password
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except kfp_server_api.ApiException as error:
            if error.status in (401, 403):
                raise PipelineError(
                    f"Kubeflow at {place} refuses the login ({error.status}): the token or cookie is wrong "
                    "or has expired, or the namespace is not yours; log in again and set KFP_TOKEN or "
                    "KFP_COOKIES"
                ) from error
            if error.status == 404:
                raise PipelineError(
                    f"Kubeflow at {place} knows nothing of that ({_reason(error)}); check the id, and that "
                    "the address is the one of the pipelines' API, often https://HOST/pipeline"
                ) from error
            raise PipelineError(
                f"Kubeflow at {place} answers {error.status}: {_reason(error)}; correct the request, or ask "
                "its operator"
            ) from error
        except (HTTPError, OSError) as error:
            raise PipelineError(
                f"Kubeflow at {place} cannot be reached ({type(error).__name__}); check --host, the network "
                "and the port forwarding"
            ) from error
        except AutonadError:
            raise
        # The client builds its objects from whatever it is answered.
        except Exception as error:
            raise PipelineError(
                f"Kubeflow at {place} answers what its client does not take "
                f"({folded(one_line(error), 100)}); check that --host is the address of the pipelines' API, "
                "often https://HOST/pipeline"
            ) from error


class _Client(Client):
    """The client, which asks a server that does not answer once, not five times with tracebacks."""

    def get_kfp_healthz(self, sleep_duration: int = 5) -> Any:
        return self._healthz_api.healthz_service_get_healthz()


def _reason(error: Any) -> str:
    try:
        body = check_shape(parse_json(error.body), Shape)
        said = body.get("error_message") or body.get("message") or body.get("error")
        return folded(str(said), 100)
    except (TypeError, ValueError):
        return folded(str(error.reason), 100)
