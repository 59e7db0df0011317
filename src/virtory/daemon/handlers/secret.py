"""Secrets: passphrases and keys; a value is told to no read-only connection."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from virtory.daemon.dispatch import serves
from virtory.errors import FROM_SECRET, ConfigUnsupported, InternalError
from virtory.model.events import SecretEvent, SecretLifecycle, SecretValueChanged
from virtory.model.flags import SecretEventId
from virtory.wire.remote import secret
from virtory.wire.remote.types import NonnullSecret

if TYPE_CHECKING:
    from virtory.daemon.peer import Peer
    from virtory.driver.interface.secret import SecretDriver
    from virtory.model.events import Event


def _driver(peer: Peer) -> SecretDriver:
    """The driver's secrets; ConfigUnsupported says that it has none."""
    if peer.driver.secret is None:
        raise ConfigUnsupported("this driver keeps no secrets", domain=FROM_SECRET)
    return peer.driver.secret


@serves(secret.CONNECT_NUM_OF_SECRETS)
def num_of_secrets(peer: Peer, _args: None) -> secret.ConnectNumOfSecretsRet:
    return secret.ConnectNumOfSecretsRet(len(_driver(peer).list_all(0)))


@serves(secret.CONNECT_LIST_SECRETS)
def list_secrets(peer: Peer, args: secret.ConnectListSecretsArgs) -> secret.ConnectListSecretsRet:
    uuids = [str(UUID(bytes=one.uuid)) for one in _driver(peer).list_all(0)]
    return secret.ConnectListSecretsRet(uuids[: max(0, args.maxuuids)])


@serves(secret.CONNECT_LIST_ALL_SECRETS)
def list_all_secrets(
    peer: Peer, args: secret.ConnectListAllSecretsArgs
) -> secret.ConnectListAllSecretsRet:
    found = [NonnullSecret(*one) for one in _driver(peer).list_all(args.flags)]
    return secret.ConnectListAllSecretsRet(found if args.need_results else [], len(found))


@serves(secret.SECRET_LOOKUP_BY_UUID)
def lookup_by_uuid(peer: Peer, args: secret.SecretLookupByUuidArgs) -> secret.SecretLookupByUuidRet:
    return secret.SecretLookupByUuidRet(NonnullSecret(*_driver(peer).by_uuid(args.uuid)))


@serves(secret.SECRET_LOOKUP_BY_USAGE)
def lookup_by_usage(
    peer: Peer, args: secret.SecretLookupByUsageArgs
) -> secret.SecretLookupByUsageRet:
    found = _driver(peer).by_usage(args.usage_type, args.usage_id)
    return secret.SecretLookupByUsageRet(NonnullSecret(*found))


@serves(secret.SECRET_DEFINE_XML)
async def define_xml(peer: Peer, args: secret.SecretDefineXmlArgs) -> secret.SecretDefineXmlRet:
    found = await _driver(peer).define(args.xml, args.flags)
    return secret.SecretDefineXmlRet(NonnullSecret(*found))


@serves(secret.SECRET_UNDEFINE)
async def undefine(peer: Peer, args: secret.SecretUndefineArgs) -> None:
    await _driver(peer).undefine(args.secret.uuid)


@serves(secret.SECRET_GET_XML_DESC)
def get_xml_desc(peer: Peer, args: secret.SecretGetXmlDescArgs) -> secret.SecretGetXmlDescRet:
    return secret.SecretGetXmlDescRet(_driver(peer).xml(args.secret.uuid, args.flags))


@serves(secret.SECRET_GET_VALUE)
def get_value(peer: Peer, args: secret.SecretGetValueArgs) -> secret.SecretGetValueRet:
    return secret.SecretGetValueRet(_driver(peer).value(args.secret.uuid, args.flags))


@serves(secret.SECRET_SET_VALUE)
async def set_value(peer: Peer, args: secret.SecretSetValueArgs) -> None:
    await _driver(peer).set_value(args.secret.uuid, args.value, args.flags)


@serves(secret.CONNECT_SECRET_EVENT_REGISTER_ANY)
def event_register_any(
    peer: Peer, args: secret.ConnectSecretEventRegisterAnyArgs
) -> secret.ConnectSecretEventRegisterAnyRet:
    if args.event_id not in (SecretEventId.LIFECYCLE, SecretEventId.VALUE_CHANGED):
        raise InternalError(f"unsupported secret event ID {args.event_id}", domain=FROM_SECRET)

    def tell(callback: int, event: Event) -> None:
        assert isinstance(event, SecretEvent)
        ref = NonnullSecret(event.uuid, event.usage_type, event.usage_id)
        if isinstance(event, SecretLifecycle):
            told = secret.SecretEventLifecycleMsg(callback, ref, event.event, event.detail)
            peer.emit(secret.SECRET_EVENT_LIFECYCLE, told)
        else:
            changed = secret.SecretEventValueChangedMsg(callback, ref)
            peer.emit(secret.SECRET_EVENT_VALUE_CHANGED, changed)

    lifecycle = args.event_id == SecretEventId.LIFECYCLE
    uuid = None if args.secret is None else args.secret.uuid
    kind = SecretLifecycle if lifecycle else SecretValueChanged
    return secret.ConnectSecretEventRegisterAnyRet(peer.subscribed.add(kind, uuid, tell))


@serves(secret.CONNECT_SECRET_EVENT_DEREGISTER_ANY)
def event_deregister_any(peer: Peer, args: secret.ConnectSecretEventDeregisterAnyArgs) -> None:
    peer.subscribed.remove(args.callback_id)
