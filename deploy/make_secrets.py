"""Make the secrets of a deployment: a file for each, in a folder that only its owner may enter.

`python3 deploy/make_secrets.py` writes those of docker-compose.yml; with a folder, such as
`deploy/kubernetes/overlays/small/secrets`, it writes those of that overlay. It keeps files that are not empty: you may
edit one, or remove it to have it made again. It uses the standard library alone.
"""

import argparse
import secrets
from pathlib import Path

CLUSTER = ",".join(f"172.30.2.{number}:6379" for number in range(201, 207))
PASSWORDS = (
    "postgres_password",
    "app_password",
    "worker_password",
    "replication_password",
    "redis_password",
    "grafana_password",
    "daira_s3_access_key",
    "daira_s3_secret_key",
    "daira_kafka_password",
    "daira_opensearch_password",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent / "secrets")
    parser.add_argument("--replica", action="store_true", help="reads use the replica of Compose")
    parser.add_argument(
        "--cluster", choices=("pushes", "all"), help="what uses the Redis Cluster of Compose; all: needs Kafka"
    )
    options = parser.parse_args()
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)

    def keep(name: str, new: str) -> str:
        path = folder / name
        if not path.exists() or not path.stat().st_size:
            path.write_text(new)
        path.chmod(0o644)  # containers run as other users; the folder keeps the users of this machine out
        return path.read_text()

    passwords = {name: keep(name, secrets.token_hex(24)) for name in PASSWORDS}
    app, worker, owner = (passwords[f"{role}_password"] for role in ("app", "worker", "postgres"))
    redis = passwords["redis_password"]
    cluster = f"redis+cluster://:{redis}@{CLUSTER}"
    for name, content in {
        "daira_token_keys": f"first:{secrets.token_hex(32)}",
        "daira_sealing_keys": f"first:{secrets.token_hex(32)}",
        "daira_postgres_url": f"postgresql://daira_app:{app}@pgbouncer:6432/daira",
        "daira_postgres_worker_url": f"postgresql://daira_worker:{worker}@pgbouncer:6432/daira",
        "daira_postgres_direct_url": f"postgresql://daira_worker:{worker}@postgres:5432/daira",
        "daira_postgres_owner_url": f"postgresql://daira_owner:{owner}@postgres:5432/daira",
        "daira_postgres_replica_url": f"postgresql://daira_app:{app}@postgres-replica/daira" if options.replica else "",
        "daira_redis_url": cluster if options.cluster == "all" else f"redis://:{redis}@redis:6379/0",
        "daira_realtime_redis_url": cluster if options.cluster == "pushes" else "",
        "pgbouncer_users": f'"daira_app" "{app}"\n"daira_worker" "{worker}"\n',
        "opensearch_ca.pem": "",
        "redis_auth": f"requirepass {redis}\nmasterauth {redis}\n",
    }.items():
        keep(name, content)
    print(f"the secrets are in {folder}")


if __name__ == "__main__":
    main()
