"""What is sealed opens with the same key in the same place, and nowhere else."""

from pathlib import Path

import pytest

from reevit_server.core.database import Database
from reevit_server.core.sealing import Sealer, WrongMasterKey, is_sealed, master_key_in, new_master_key

SEALER = Sealer(new_master_key())


def test_a_secret_comes_back_and_looks_different_each_time():
    one, another = (SEALER.seal(b"secret", about="here") for _ in range(2))
    assert one != another
    assert b"secret" not in one
    assert is_sealed(one)
    assert SEALER.open(one, about="here") == SEALER.open(another, about="here") == b"secret"


def test_another_key_another_place_or_another_bit_does_not_open_it():
    sealed = SEALER.seal(b"secret", about="here")
    changed = [sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in range(1, len(sealed))]
    with pytest.raises(WrongMasterKey):
        Sealer(new_master_key()).open(sealed, about="here")
    with pytest.raises(WrongMasterKey):
        SEALER.open(sealed, about="there")
    for other in (*changed, sealed[:-1], sealed[:5]):
        with pytest.raises(WrongMasterKey):
            SEALER.open(other, about="here")


def test_a_key_file_is_made_once_and_for_its_owner_alone(tmp_path: Path):
    file = tmp_path / "master.key"
    key = master_key_in(file)
    assert master_key_in(file) == key
    assert file.stat().st_mode & 0o777 == 0o600
    Sealer(key)


async def test_one_database_has_one_key(empty_dsn: str):
    async with await Database.open(empty_dsn) as db:
        for _ in range(2):
            async with db.transaction() as conn:
                await SEALER.prove(conn)
        with pytest.raises(WrongMasterKey):
            async with db.transaction() as conn:
                await Sealer(new_master_key()).prove(conn)
