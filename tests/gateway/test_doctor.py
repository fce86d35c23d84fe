"""`daira doctor` on the event log."""

import pytest

from gateway import doctor
from gateway.settings import Settings
from protocol.events import EVENTS
from storage.kafka_topics import wanted_replicas
from tests.cluster import Cluster
from tests.kafka_broker import KafkaBroker


@pytest.mark.kafka
async def test_topics_with_fewer_replicas_than_wanted_are_named(idle_cluster: Cluster, kafka: KafkaBroker):
    prefix = idle_cluster.unique("doctor").replace("_", "-")
    await kafka.deployment(prefix, sorted(EVENTS))
    address, user, password = kafka.servers.kafka
    settings = Settings(
        _env_file=None, data_dir=idle_cluster.embedded.data_dir, prefix=prefix, kafka_brokers=address, kafka_user=user,
        kafka_password=password, kafka_mechanism="PLAIN",
    )  # fmt: skip
    assert "1 replica of each" in await doctor._event_log(settings)
    with pytest.raises(doctor.Ill, match="has 1 replica of a partition, not 3"):
        await doctor._event_log(settings.model_copy(update={"kafka_replicas": 3}))


def test_few_brokers_get_few_replicas_unless_a_number_is_set():
    assert [wanted_replicas(None, brokers) for brokers in (1, 2, 3, 5)] == [1, 2, 3, 3]
    assert wanted_replicas(2, brokers=5) == 2
