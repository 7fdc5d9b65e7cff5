"""The templates of deploy/ are what the programs take; quick, and so part of every run."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from string import Template

import pytest
from deploy.local.cluster import DEPLOY, settings_of

from kodgate import config
from kodgate.web.roles import TABLE

TEMPLATES = ("etcd.env", "patroni.yml", "haproxy.cfg")


def test_the_settings_of_a_node_are_settings() -> None:
    found = config.load(DEPLOY / "kodgate.toml", {})
    assert found.roles == tuple(TABLE)
    assert found.keys is not None and found.data not in found.keys.parents


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_has_only_words_that_can_be_filled_in(name: str) -> None:
    template = Template((DEPLOY / name).read_text("utf-8"))
    assert template.is_valid()
    assert template.get_identifiers()


def test_every_setting_of_etcd_is_one_line() -> None:
    found = settings_of((DEPLOY / "etcd.env").read_text("utf-8"))
    assert all(re.fullmatch(r"ETCD_[A-Z_]+", name) for name in found)


@pytest.mark.parametrize("name", ["kodgate@.service", "patroni.service"])
def test_a_unit_starts_again_whatever_ended_it(name: str) -> None:
    assert "Restart=always" in (DEPLOY / "systemd" / name).read_text("utf-8")


def test_a_node_may_write_where_its_settings_say() -> None:
    unit = (DEPLOY / "systemd" / "kodgate@.service").read_text("utf-8")
    (line,) = re.findall(r"^ReadWritePaths=(.+)$", unit, re.MULTILINE)
    found = config.load(DEPLOY / "kodgate.toml", {})
    assert {Path(path) for path in line.split()} >= {found.data, found.keys_folder}


def test_the_scripts_are_executable() -> None:
    root = DEPLOY.parent
    assert os.access(DEPLOY / "demo", os.X_OK)
    subprocess.run(["bash", "-n", str(root / "scripts" / "ha-tools")], check=True, timeout=30)
