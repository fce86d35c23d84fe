"""The manifests, as kustomize builds them and Kubernetes decodes them, agree with the code and keep their own rules."""

import re
import shutil
import sys

import pytest
import yaml

from tests.deploy import facts
from tests.deploy.tools import DEPLOY, deployed, run

OVERLAYS = ("small", "production", "search", "console")
STORES = {"postgres": 5432, "redis": 6379, "objects": 9000}


class Manifests:
    def __init__(self, overlay, secrets, documents):
        self.overlay = overlay
        self.secrets = secrets
        self.documents = documents

    def of(self, *kinds):
        return {each["metadata"]["name"]: each for each in self.documents if each["kind"] in kinds}

    def pods(self):
        """Return the pod template of each workload."""
        return {name: each["spec"]["template"] for name, each in self.of("Deployment", "StatefulSet", "Job").items()}

    def ours(self):
        """Return the container of each workload that runs DAIRA."""
        containers = {name: pod["spec"]["containers"][0] for name, pod in self.pods().items()}
        return {name: each for name, each in containers.items() if "/daira:" in each["image"]}

    def settings(self):
        [found] = [each for name, each in self.of("ConfigMap").items() if name.startswith("daira-")]
        return found["data"]

    def allowed(self, direction, name, port):
        """Return what the policies let pods of that name reach (`to`) or be reached by (`from`) on that port."""
        labels = self.pods()[name]["metadata"]["labels"]
        found = []
        for policy in self.of("NetworkPolicy").values():
            selected = policy["spec"]["podSelector"].get("matchLabels", {})
            if selected.items() <= labels.items():
                for rule in policy["spec"].get("egress" if direction == "to" else "ingress", []):
                    if any(each["port"] == port for each in rule["ports"]):
                        found += rule.get(direction, [{}])
        return found


@pytest.fixture(scope="module", params=OVERLAYS)
def built(request, tmp_path_factory):
    """Build a copy, because secrets are made beside the overlay."""
    place = tmp_path_factory.mktemp("deploy") / "deploy"
    shutil.copytree(DEPLOY, place, ignore=shutil.ignore_patterns("secrets"))
    overlay = place / "kubernetes" / "overlays" / request.param
    if request.param == "console":  # a component, which any overlay may add
        overlay = overlay.with_name("production")
        with (overlay / "kustomization.yaml").open("a") as file:
            file.write("components: [../../console]\n")
    run(sys.executable, DEPLOY / "make_secrets.py", overlay / "secrets")
    if request.param == "search":  # on top of it
        run(sys.executable, DEPLOY / "make_secrets.py", overlay.with_name("production") / "secrets")
    return Manifests(request.param, overlay / "secrets", deployed("kustomize", overlay))


def test_a_field_that_kubernetes_does_not_know_is_refused(tmp_path):
    (tmp_path / "kustomization.yaml").write_text("resources: [service.yaml]")
    (tmp_path / "service.yaml").write_text(
        "{apiVersion: v1, kind: Service, metadata: {name: x}, spec: {ports: [{port: 1, targetport: 2}]}}"
    )
    with pytest.raises(ValueError, match="targetport"):
        deployed("kustomize", tmp_path)


def test_settings_are_accepted_with_the_secrets_that_are_made(built, tmp_path):
    (tmp_path / "made").mkdir()
    for path in built.secrets.glob("daira_*"):
        (tmp_path / "made" / path.name).write_text(path.read_text())
    for name, container in built.ours().items():
        [source] = container["envFrom"]
        assert source["configMapRef"]["name"] in built.of("ConfigMap")
        own = {each["name"]: each["value"] for each in container.get("env", [])}
        settings = facts.read_settings({**built.settings(), **own}, tmp_path / "made")
        assert ("media" in name or "video" in name) == (settings.media_scratch is not None)


def test_each_pod_gets_the_secrets_that_it_needs_alone(built):
    def mounted(name):
        for volume in built.pods()[name]["spec"]["volumes"]:
            if volume["name"] == "secrets":
                parts = volume.get("projected", {}).get("sources") or [{"secret": volume["secret"]}]
                for part in parts:
                    secret = built.of("Secret")[part["secret"].get("name") or part["secret"]["secretName"]]
                    items = part["secret"].get("items")
                    yield from (each["key"] for each in items) if items else secret["data"]

    for name in built.ours():
        keys = set(mounted(name))
        assert {"daira_postgres_url", "daira_redis_url", "daira_token_keys"} <= keys
        assert ("daira_postgres_owner_url" in keys) == (name == "migrate")
    assert set(mounted("pgbouncer")) == {"pgbouncer_users"}


def test_no_secret_is_in_a_config_map_or_in_git(built):
    text = str(built.of("ConfigMap"))
    for path in built.secrets.iterdir():
        assert not path.read_text() or path.read_text().strip() not in text
    ignored = run(
        "git", "-C", DEPLOY, "check-ignore", f"kubernetes/overlays/{built.secrets.parent.name}/secrets/x", "secrets/x"
    )
    assert len(ignored.splitlines()) == 2


def test_commands_and_groups_are_real(built):
    for container in built.ours().values():
        facts.check_command(container["args"])
    facts.check_groups([container["args"] for container in built.ours().values()])


def test_probes_ask_the_sidecar(built):
    for name, container in built.ours().items():
        if name == "migrate":
            continue
        ports = {each["name"]: each["containerPort"] for each in container["ports"]}
        assert ports["sidecar"] == facts.PORTS[container["args"][0]]
        assert container["readinessProbe"]["httpGet"] == {"path": facts.HEALTH, "port": "sidecar"}
        for probe in ("startupProbe", "livenessProbe"):
            assert container[probe]["httpGet"] == {"path": "/health/live", "port": "sidecar"}
    assert built.ours()["gateway"]["ports"][0]["containerPort"] == facts.DEFAULTS["port"]


def test_a_node_has_time_to_drain(built):
    for name, container in built.ours().items():
        if container["args"] != ["serve"]:
            continue
        before = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        probe = container["readinessProbe"]
        assert before > probe["periodSeconds"] * probe["failureThreshold"]
        own = {each["name"]: each["value"] for each in container.get("env", [])}
        drain = float({**built.settings(), **own}["DAIRA_DRAIN"])
        grace = built.pods()[name]["spec"]["terminationGracePeriodSeconds"]
        assert grace >= before + drain + facts.LAST_S


def test_the_console_is_off_or_a_node_of_its_own_for_staff(built):
    assert not any("CONSOLE" in name for name in built.settings())
    if built.overlay != "console":
        assert "console" not in built.pods()
        return
    container = built.ours()["console"]
    own = {each["name"]: each["value"] for each in container["env"]}
    [port] = [each["containerPort"] for each in container["ports"] if each["name"] == "console"]
    assert (own["DAIRA_CONSOLE_HOST"], own["DAIRA_CONSOLE_PORT"]) == ("0.0.0.0", str(port))
    controller = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "haproxy-controller"}}}
    assert built.allowed("from", "console", port) == [controller]
    assert not built.allowed("from", "console", facts.DEFAULTS["port"])  # no client of the apps
    assert not built.allowed("from", "gateway", port)
    hosts = [each["spec"]["rules"][0]["host"] for each in built.of("Ingress").values()]
    assert len({*hosts}) == 2
    assert built.of("Ingress")["console"]["metadata"]["annotations"]["haproxy.org/allow-list"]


def test_pods_are_restricted(built):
    namespace = built.of("Namespace")["daira"]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert all(each["metadata"].get("namespace", "daira") == "daira" for each in built.documents)
    for name, pod in built.pods().items():
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["securityContext"]["runAsNonRoot"], name
        assert spec["securityContext"]["runAsUser"] > 0, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert {"cpu", "memory"} <= set(container["resources"]["requests"]), name
            assert "memory" in container["resources"]["limits"], name
            assert facts.is_pinned(container["image"]), name


def test_redis_refuses_writes_before_its_container_is_full(built):
    for name, pod in built.pods().items():
        if name == "redis":
            limit = pod["spec"]["containers"][0]["resources"]["limits"]["memory"]
            assert 0.5 < facts.REDIS_BYTES / (int(limit.removesuffix("Gi")) * 1024**3) < 0.7


def test_what_refers_to_something_finds_it(built):
    """Selectors find their pods, names their objects, ports and volumes what is declared."""
    pods = built.pods()
    for name, workload in built.of("Deployment", "StatefulSet").items():
        assert workload["spec"]["selector"]["matchLabels"].items() <= pods[name]["metadata"]["labels"].items()
    for selector in [
        *(each["spec"]["selector"] for each in built.of("Service").values() if "selector" in each["spec"]),
        *(each["spec"]["selector"]["matchLabels"] for each in built.of("PodDisruptionBudget").values()),
    ]:
        assert any(selector.items() <= pod["metadata"]["labels"].items() for pod in pods.values())
    for each in built.of("HorizontalPodAutoscaler").values():
        target = built.of("Deployment")[each["spec"]["scaleTargetRef"]["name"]]
        assert "replicas" not in target["spec"]  # `kubectl apply` would set it back
    for name, pod in pods.items():
        volumes = {each["name"] for each in pod["spec"]["volumes"]}
        volumes |= {each["metadata"]["name"] for each in _claims(built, name)}
        assert {mount["name"] for each in pod["spec"]["containers"] for mount in each["volumeMounts"]} == volumes, name
    for ingress in built.of("Ingress").values():
        for path in ingress["spec"]["rules"][0]["http"]["paths"]:
            service = built.of("Service")[path["backend"]["service"]["name"]]
            assert path["backend"]["service"]["port"]["name"] in {each["name"] for each in service["spec"]["ports"]}


def _claims(built, name):
    workload = built.of("StatefulSet").get(name, {"spec": {}})
    return workload["spec"].get("volumeClaimTemplates", [])


def test_disruptions_leave_the_rest_running(built):
    budgets = {
        each["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"]
        for each in built.of("PodDisruptionBudget").values()
    }
    assert budgets == {"gateway", "worker-loops", "worker-events", "pgbouncer"}
    scaled = {
        each: built.of("HorizontalPodAutoscaler")[each]["spec"]["minReplicas"]
        for each in built.of("HorizontalPodAutoscaler")
    }
    for name in budgets:
        assert scaled.get(name) or built.of("Deployment")[name]["spec"]["replicas"] >= 2
    assert built.of("Deployment")["gateway"]["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_policies_let_through_what_is_needed_alone(built):
    nothing = built.of("NetworkPolicy")["nothing"]["spec"]
    assert nothing == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for name in built.ours():
        assert built.allowed("to", name, 53)
        assert {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "pgbouncer"}}} in built.allowed(
            "to", name, 6432
        )
        assert built.allowed("to", name, 6379)
    assert built.allowed("to", "pgbouncer", 5432)
    ingress = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "haproxy-controller"}}}
    assert built.allowed("from", "gateway", 8000) == [ingress]
    assert {} not in built.allowed("from", "gateway", 8001)
    assert not built.allowed("from", "worker-events", 8000)
    if built.overlay == "small":
        readers = {
            each["podSelector"]["matchLabels"].get("app.kubernetes.io/name", "workers")
            for each in built.allowed("from", "postgres", 5432)
        }
        assert readers == {"pgbouncer", "workers", "migrate"}
        assert not built.allowed("to", "postgres", 443)


def test_every_process_reaches_the_sidecars_of_all(built):
    """As `daira top` does."""
    ours = {"podSelector": {"matchLabels": {"daira/reaches": "stores"}}}
    for name, container in built.ours().items():
        assert ours["podSelector"]["matchLabels"].items() <= built.pods()[name]["metadata"]["labels"].items()
        for port in facts.PORTS.values():
            assert ours in built.allowed("to", name, port)
        if command_port := facts.PORTS.get(container["args"][0]):
            assert ours in built.allowed("from", name, command_port)


def test_the_overlay_for_opensearch_reaches_it_with_a_login(built, tmp_path):
    settings = built.settings()
    if built.overlay != "search":
        assert "DAIRA_SEARCH_ENGINE" not in settings
        return
    [secret] = [each for name, each in built.of("Secret").items() if re.fullmatch(r"daira-[a-z0-9]{10}", name)]
    assert {"daira_opensearch_password", "opensearch_ca.pem", "daira_postgres_url"} <= secret["data"].keys()
    assert settings["DAIRA_OPENSEARCH_CA"] == "/run/secrets/opensearch_ca.pem"
    port = int(settings["DAIRA_OPENSEARCH_URL"].rpartition(":")[2])
    for name in built.ours():
        assert built.allowed("to", name, port)


def test_names_in_urls_are_services(built):
    services = built.of("Service")
    hosts = {
        host
        for path in built.secrets.glob("daira_*_url")
        for host in re.findall(r"(?:@|//)([a-z]+):\d+", path.read_text())
    }
    hosts |= set(re.findall(r"host=(\w+)", (DEPLOY / "pgbouncer" / "pgbouncer.ini").read_text()))
    assert hosts <= {*services, "redis"}
    if built.overlay == "small":
        assert {*hosts, *STORES} <= set(services)
        assert built.settings()["DAIRA_S3_ENDPOINT"] == "http://objects:9000"


def test_pgbouncer_stops_after_its_transactions(built):
    pod = built.pods()["pgbouncer"]["spec"]
    [container] = pod["containers"]
    shell, option, script = container["lifecycle"]["preStop"]["exec"]["command"]
    before, behind = re.fullmatch(r"sleep (\d+); kill -INT 1; sleep (\d+)", script).groups()
    assert (shell, option) == ("sh", "-c")
    assert int(behind) > facts.DEFAULTS["call_deadline"]
    assert int(before) + int(behind) < pod.get("terminationGracePeriodSeconds", 30)


def test_postgresql_has_connections_for_all_pgbouncers(built):
    [pool] = re.findall(
        r"^default_pool_size = (\d+)", (DEPLOY / "pgbouncer" / "pgbouncer.ini").read_text(), re.MULTILINE
    )
    needed = built.of("Deployment")["pgbouncer"]["spec"]["replicas"] * 2 * int(pool)
    if built.overlay == "small":
        [most] = [
            each for each in built.pods()["postgres"]["spec"]["containers"][0]["args"] if "max_connections" in each
        ]
        assert needed < 0.9 * int(most.partition("=")[2])
    else:
        assert f"roles: {needed}," in (DEPLOY / "kubernetes" / "overlays" / "production" / "stores.yaml").read_text()


def test_nodes_scale_with_their_connections():
    [rule] = yaml.safe_load((DEPLOY / "kubernetes" / "prometheus-adapter.yaml").read_text())["rules"]["custom"]
    scaling = yaml.safe_load_all((DEPLOY / "kubernetes" / "overlays" / "production" / "autoscaling.yaml").read_text())
    gateway = next(each for each in scaling if each["metadata"]["name"] == "gateway")
    metric = gateway["spec"]["metrics"][0]["pods"]["metric"]["name"]
    assert metric == rule["name"]["as"] == facts.CONNECTIONS
    assert rule["seriesQuery"].startswith(f"{facts.CONNECTIONS}{{")
