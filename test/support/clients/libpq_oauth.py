"""libpq 18 by itself: logs in with OAUTHBEARER, its token from a device flow or from the environment, and prints what a query says.

usage: libpq_oauth.py LIBPQ CONNINFO CLIENT_ID QUERY
"""
import ctypes
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

BEARER_TOKEN = 1  # PQAUTHDATA_OAUTH_BEARER_TOKEN


# https://www.postgresql.org/docs/18/libpq-oauth.html
class Request(ctypes.Structure):
    _fields_ = [
        ('openid_configuration', ctypes.c_char_p),
        ('scope', ctypes.c_char_p),
        ('start', ctypes.c_void_p),
        ('cleanup', ctypes.c_void_p),
        ('token', ctypes.c_char_p),
        ('user', ctypes.c_void_p),
    ]


def post(url, **fields):
    try:
        with urllib.request.urlopen(url, urllib.parse.urlencode(fields).encode()) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error)


def device_flow(configuration, scope, client):
    with urllib.request.urlopen(configuration) as answer:
        known = json.load(answer)
    device = post(known['device_authorization_endpoint'], client_id=client, scope=scope)
    print('visit', device['verification_uri_complete'], flush=True)
    while True:
        grant = 'urn:ietf:params:oauth:grant-type:device_code'
        answer = post(known['token_endpoint'], client_id=client, grant_type=grant, device_code=device['device_code'])
        if 'access_token' in answer:
            return answer['access_token']
        if answer.get('error') not in ('authorization_pending', 'slow_down'):
            raise SystemExit(f'the provider refused: {answer}')
        time.sleep(0.2)


def main():
    path, conninfo, client, query = sys.argv[1:]
    libpq = ctypes.CDLL(path)
    hook_type = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)

    def hook(kind, _connection, data):
        if kind != BEARER_TOKEN:
            return 0
        request = ctypes.cast(data, ctypes.POINTER(Request)).contents
        configuration = request.openid_configuration.decode()
        scope = (request.scope or b'').decode()
        print('asked', configuration, scope, flush=True)
        token = os.environ.get('OAUTH_TOKEN') or device_flow(configuration, scope, client)
        request.token = token.encode()
        return 1

    kept = hook_type(hook)
    libpq.PQsetAuthDataHook(kept)
    for name in ('PQconnectdb', 'PQexec'):
        getattr(libpq, name).restype = ctypes.c_void_p
    for name in ('PQerrorMessage', 'PQgetvalue', 'PQresultErrorMessage'):
        getattr(libpq, name).restype = ctypes.c_char_p
    connection = ctypes.c_void_p(libpq.PQconnectdb(conninfo.encode()))
    if libpq.PQstatus(connection) != 0:
        print('failed', libpq.PQerrorMessage(connection).decode().strip())
        return
    result = ctypes.c_void_p(libpq.PQexec(connection, query.encode()))
    if libpq.PQresultStatus(result) == 2:
        for row in range(libpq.PQntuples(result)):
            print('row', libpq.PQgetvalue(result, row, 0).decode())
    else:
        print('failed', libpq.PQresultErrorMessage(result).decode().strip())
    libpq.PQfinish(connection)


main()
