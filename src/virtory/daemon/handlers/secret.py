"""Secrets: none are served yet, and every answer says so truthfully."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn
from uuid import UUID

from virtory.daemon.dispatch import serves
from virtory.errors import FROM_SECRET, ConfigUnsupported, SecretNotFound
from virtory.wire.remote import secret

if TYPE_CHECKING:
    from virtory.daemon.peer import Peer


@serves(secret.CONNECT_NUM_OF_SECRETS)
def num_of_secrets(_peer: Peer, _args: None) -> secret.ConnectNumOfSecretsRet:
    return secret.ConnectNumOfSecretsRet(0)


@serves(secret.CONNECT_LIST_SECRETS)
def list_secrets(_peer: Peer, _args: secret.ConnectListSecretsArgs) -> secret.ConnectListSecretsRet:
    return secret.ConnectListSecretsRet([])


@serves(secret.CONNECT_LIST_ALL_SECRETS)
def list_all_secrets(
    _peer: Peer, _args: secret.ConnectListAllSecretsArgs
) -> secret.ConnectListAllSecretsRet:
    return secret.ConnectListAllSecretsRet([], 0)


@serves(secret.SECRET_LOOKUP_BY_UUID)
def secret_lookup_by_uuid(_peer: Peer, args: secret.SecretLookupByUuidArgs) -> NoReturn:
    raise SecretNotFound(f"no secret with matching uuid '{UUID(bytes=args.uuid)}'")


@serves(secret.SECRET_LOOKUP_BY_USAGE)
def secret_lookup_by_usage(_peer: Peer, args: secret.SecretLookupByUsageArgs) -> NoReturn:
    raise SecretNotFound(f"no secret with matching usage '{args.usage_id}'")


@serves(secret.SECRET_DEFINE_XML)
def secret_define_xml(_peer: Peer, _args: secret.SecretDefineXmlArgs) -> NoReturn:
    raise _unserved()


@serves(secret.CONNECT_SECRET_EVENT_REGISTER_ANY)
def secret_event_register_any(
    peer: Peer, _args: secret.ConnectSecretEventRegisterAnyArgs
) -> secret.ConnectSecretEventRegisterAnyRet:
    return secret.ConnectSecretEventRegisterAnyRet(peer.subscribed.add())


@serves(secret.CONNECT_SECRET_EVENT_DEREGISTER_ANY)
def secret_event_deregister_any(
    peer: Peer, args: secret.ConnectSecretEventDeregisterAnyArgs
) -> None:
    peer.subscribed.remove(args.callback_id)


def _unserved() -> ConfigUnsupported:
    """What a definition of a secret is answered with."""
    return ConfigUnsupported(
        "secrets are not served by this version of virtoryd",
        cure="use an image that is not encrypted",
        domain=FROM_SECRET,
    )
