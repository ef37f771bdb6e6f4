"""OpenStack Swift with its S3 API in one process: account, container, object and proxy server on free ports of 127.0.0.1.

Takes its settings as one JSON object in the first argument: `region`, `domain` (of bucket.domain), `pageSize` (objects on a page of a list), `leastPart`
(bytes of a part that is not the last), `users` (secrets by `account:name`). Everything lies in a temporary folder, nothing is
read from /etc/swift. Says `{"port": ...}` on standard output when it answers, and ends, removing the folder, when standard
input does.
"""

import json
import os
import sys
import tempfile
from array import array
from pathlib import Path

# Names are never looked up, and its import takes long.
os.environ['EVENTLET_NO_GREENDNS'] = 'yes'

import eventlet.wsgi
from swift.common import utils, wsgi
from swift.common.http_protocol import SwiftHttpProtocol
from swift.common.ring.ring import RingData

# Memory and disk of tests are slow now and then: a timeout here would be a fault that no test asked for.
COMMON = """
[DEFAULT]
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
log_level = ERROR
# Not the log of the machine: nothing listens there.
log_address = {folder}/log
node_timeout = 60
conn_timeout = 60
client_timeout = 60
container_update_timeout = 60
"""

BACKEND = """
[pipeline:main]
pipeline = server

[app:server]
use = egg:swift#{name}
"""

PROXY = """
[pipeline:main]
pipeline = catch_errors gatekeeper cache listing_formats s3api tempauth copy dlo bulk slo versioned_writes proxy-server

[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true

[filter:cache]
paste.filter_factory = __main__:cached

[filter:s3api]
use = egg:swift#s3api
location = {region}
max_bucket_listing = {pageSize}
min_segment_size = {leastPart}
storage_domain = {domain}

[filter:tempauth]
use = egg:swift#tempauth
{users}
"""

USUAL_FILTERS = ('catch_errors', 'gatekeeper', 'listing_formats', 'copy', 'dlo', 'bulk', 'slo', 'versioned_writes')


class Cache:
    """What memcached does for Swift, for the one process there is; nothing expires."""

    def __init__(self):
        self.values = {}

    def get(self, key, **_):
        return self.values.get(key)

    def set(self, key, value, **_):
        self.values[key] = value

    def delete(self, key, **_):
        self.values.pop(key, None)


def cached(_, **__):
    cache = Cache()

    def put_before(app):
        def answer(environment, start):
            environment['swift.cache'] = cache
            return app(environment, start)

        return answer

    return put_before


def check_attributes(folder):
    """Swift keeps what it knows of an object in extended attributes of its file."""
    try:
        os.setxattr(folder, 'user.swift', b'')
    except OSError as error:
        sys.exit(f'expected a file system with extended attributes at {folder}: {error}; set TMPDIR to another one')


def write_ring(folder, name, port):
    address = {'ip': '127.0.0.1', 'port': port, 'replication_ip': '127.0.0.1', 'replication_port': port}
    device = {'id': 0, 'region': 1, 'zone': 1, 'device': 'disk', 'weight': 1, 'meta': '', **address}
    # One copy of two partitions, both on the one device.
    RingData([array('H', [0, 0])], [device], 31).save(str(folder / f'{name}.ring.gz'))


def serve(folder, settings):
    (folder / 'swift.conf').write_text(
        '[swift-hash]\nswift_hash_path_suffix = test\n[storage-policy:0]\nname = one\ndefault = yes\n'
    )
    (folder / 'devices' / 'disk').mkdir(parents=True)
    utils.set_swift_dir(str(folder))
    # Errors go to standard error, too.
    utils.get_logger.console_handler4logger = {}
    users = (f'user_{user.replace(":", "_")} = {secret} .admin' for user, secret in settings['users'].items())
    filters = ''.join(f'[filter:{name}]\nuse = egg:swift#{name}\n' for name in USUAL_FILTERS)
    proxy = PROXY.format(**{**settings, 'users': '\n'.join(users)}) + filters
    sockets = {name: eventlet.listen(('127.0.0.1', 0)) for name in ('account', 'container', 'object', 'proxy')}
    for name, socket in sockets.items():
        if name != 'proxy':
            write_ring(folder, name, socket.getsockname()[1])
    for name, socket in sockets.items():
        file = folder / f'{name}.conf'
        own = proxy if name == 'proxy' else BACKEND.format(name=name)
        file.write_text(COMMON.format(folder=folder) + own)
        app = wsgi.loadapp(str(file), global_conf={'log_name': name})
        # As swift.common.wsgi.run_server does, which wants a process for each.
        eventlet.spawn(
            eventlet.wsgi.server,
            socket,
            app,
            utils.NullLogger(),
            protocol=SwiftHttpProtocol,
            socket_timeout=60,
            capitalize_response_headers=False,
        )
    return sockets['proxy'].getsockname()[1]


def main():
    utils.eventlet_monkey_patch()
    with tempfile.TemporaryDirectory(prefix='swift-') as folder:
        check_attributes(folder)
        port = serve(Path(folder), json.loads(sys.argv[1]))
        print(json.dumps({'port': port}), flush=True)
        eventlet.hubs.trampoline(sys.stdin.fileno(), read=True)


if __name__ == '__main__':
    main()
