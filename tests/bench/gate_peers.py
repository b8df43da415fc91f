"""mirrorgate, nginx, HAProxy and Apache, each set up for the same job as well as it can be.

All of them: one worker, TLS 1.2 and 1.3, a client certificate of the CA that is in no revocation
list, the customer found by its subject among 1,000, and the first two segments of the path looked up
among what that customer may read. Kept connections to the store. Sessions are resumed: on the server
where that is the program's faster way (nginx, HAProxy, Apache).
"""

import re
import subprocess

import gate_world
from mirrorgate_test import common, peers, yaml


class Measured(peers.Peer):
    """Bound to the processor CPU."""

    def __init__(self, world, folder, store, cpu):
        super().__init__(world, folder, store, prefix=("taskset", "-c", str(cpu)))

    def tables(self, line):
        """LINE for each customer and each product they may read."""
        return "\n".join(
            line.format(customer=gate_world.customer(n), product=product)
            for n in range(gate_world.CUSTOMERS)
            for product in ("bench", gate_world.product(n))
        )

    def subjects(self, line):
        return "\n".join(
            line.format(customer=gate_world.customer(n), subject=gate_world.subject(n))
            for n in range(gate_world.CUSTOMERS)
        )

    def write_tables(self):
        """The same as two files, for maps of text."""
        (self.folder / "customers").write_text(self.subjects("{subject} {customer}") + "\n")
        (self.folder / "licences").write_text(self.tables("{customer}:{product} 1") + "\n")


class Mirrorgate(Measured):
    name = "mirrorgate"
    program = common.MIRRORGATE
    access = "access.log"

    @classmethod
    def version(cls):
        done = subprocess.run([cls.program, "-V"], capture_output=True, text=True, check=True)
        return re.search(r"\d+\.\d+\.\d+", done.stdout)[0]

    def settings(self):
        """What the configuration says, as dictionaries."""
        files = self.files()
        (self.folder / "policy.yaml").write_text(yaml.dump(self.world.policy()))
        return {
            "listen": [{"address": "127.0.0.1", "port": self.port}],
            "workers": 1,
            "tls": {"certificate": str(files["certificate"]), "key": str(files["key"]),
                    "client_ca": str(files["ca"]), "crl": str(files["crl"])},
            "limits": {"handshakes_per_second": 1000000,
                       "handshakes_per_second_per_address": 1000000},
            "policy": "policy.yaml",
            "store": {"servers": [f"http://{self.store}"]},
            "log": {"access": self.access},
        }  # fmt: skip

    def configuration(self):
        return yaml.dump(self.settings())

    def command(self):
        return [self.program, "-c", self.config, "--unsafe-any-port"]


class MirrorgateWithoutLog(Mirrorgate):
    name = "mirrorgate, no log"
    access = "none"


NGINX = """\
  map_hash_max_size 8192; map_hash_bucket_size 128;
  map $ssl_client_s_dn $customer {{ default "";
{customers}
  }}
  map "$customer:$product" $licensed {{ default 0;
{licences}
  }}
  upstream store {{ server {store}; keepalive 64; keepalive_requests 1000000000; }}
"""
NGINX_SERVER = """\
    ssl_session_cache shared:sessions:16m; ssl_session_timeout 1h;
    ssl_conf_command NumTickets 1;
    keepalive_requests 1000000000; keepalive_timeout 600s;
    proxy_buffer_size 16k; proxy_buffers 8 64k; proxy_busy_buffers_size 128k;
    proxy_max_temp_file_size 0;
    location ~ ^/artifacts/(?<product>[^/]+)/ {
      if ($licensed = 0) { return 403; }
      proxy_pass http://store;
    }
    location / { return 403; }
"""


class Nginx(Measured, peers.Nginx):
    def gaps(self):
        http = NGINX.format(customers=self.subjects('"{subject}" {customer};'),
                            licences=self.tables('"{customer}:{product}" 1;'), store=self.store)
        return {"http": http, "server": NGINX_SERVER}


HAPROXY_SETTINGS = """\
  maxconn 4000
  nbthread 1
  tune.bufsize 65536
  tune.ssl.lifetime 3600
"""
HAPROXY_DEFAULTS = """\
  timeout connect 5s
  timeout client 600s
  timeout server 60s
  timeout http-keep-alive 600s
  http-reuse always
"""
HAPROXY_FRONTEND = """\
  http-request set-var(txn.customer) ssl_c_s_dn(,0,rfc2253),map_str({folder}/customers)
  http-request deny deny_status 403 unless {{ var(txn.customer) -m found }}
  http-request set-var(txn.product) path,field(3,/)
  http-request set-var(txn.key) var(txn.customer),concat(:,txn.product)
  http-request deny deny_status 403 unless {{ path_beg /artifacts/ }} \
{{ var(txn.key),map_str({folder}/licences) -m found }}
"""


class Haproxy(Measured, peers.Haproxy):
    def gaps(self):
        self.write_tables()
        return {"settings": HAPROXY_SETTINGS, "defaults": HAPROXY_DEFAULTS,
                "frontend": HAPROXY_FRONTEND.format(folder=self.folder), "backend": ""}


APACHE_SETTINGS = """\
ThreadLimit 256
ThreadsPerChild 256
MaxRequestWorkers 256
KeepAliveTimeout 600
Timeout 60
SSLSessionCache shmcb:{folder}/sessions(16777216)
SSLSessionCacheTimeout 3600
"""
APACHE_RULES = """\
  RewriteMap customers "txt:{folder}/customers"
  RewriteMap licences "txt:{folder}/licences"
  RewriteRule ^/artifacts/([^/]+)/ - [E=PRODUCT:$1]
  RewriteRule ^ - [E=CUSTOMER:${{customers:%{{SSL:SSL_CLIENT_S_DN}}}}]
  RewriteCond ${{licences:%{{ENV:CUSTOMER}}:%{{ENV:PRODUCT}}|0}} =1
  RewriteRule ^/(.*) http://{store}/$1 [P,L]
"""


class Apache(Measured, peers.Apache):
    modules = (*peers.Apache.modules, "socache_shmcb")

    def gaps(self):
        self.write_tables()
        return {"settings": APACHE_SETTINGS.format(folder=self.folder), "proxy": "enablereuse=on",
                "rules": APACHE_RULES.format(folder=self.folder, store=self.store)}


STORE = """\
  default_type application/octet-stream;
  sendfile on; open_file_cache max=100;
  keepalive_requests 1000000000; keepalive_timeout 600s;
  server {{ listen 127.0.0.1:{port}; root {root}; }}
"""


class Store(Measured, peers.Nginx):
    """Not one of those that are compared: what they all ask."""

    name = "store"

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def http(self):
        return STORE.format(port=self.port, root=self.world.root)


GATES = [Mirrorgate, MirrorgateWithoutLog, Nginx, Haproxy, Apache]
