"""Where the master key comes from: the operator, or a file beside the embedded database."""

from reevit_server.core.sealing import master_key_in
from reevit_server.settings import PREFIX, Settings, SettingsError, key_of_32_bytes


def with_master_key(chosen: Settings) -> Settings:
    """The embedded start keeps one beside its data; who brings a database of their own brings the key too.

    Raises SettingsError.
    """
    if chosen.master_key is not None:
        return chosen
    if chosen.database_url is not None:
        raise SettingsError(
            f"{PREFIX}MASTER_KEY is missing: it seals the secrets in the database. Make one with "
            "`openssl rand -base64 32`, keep a copy in a safe place, and set it for every server of this database."
        )
    file = chosen.data_dir / "master.key"
    try:
        return chosen.model_copy(update={"master_key": key_of_32_bytes(master_key_in(file))})
    except ValueError:
        raise SettingsError(f"{file} does not hold 32 bytes in base64; put the copy of it back.") from None
