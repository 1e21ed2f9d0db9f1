import collections, itertools
from tests.makers import Merchant
import os
async def test_probe(merchant: Merchant):
    codes = collections.defaultdict(set)
    values = [None, 1, -1, 0, 1.5, 10**15, 1e300, True, "", "x", "x"*2000, "ghs", "XYZ", "a\u0001", [], ["a"], [1], [""], ["a"*70], ["a"]*60, [str(i) for i in range(60)], {}, {"a":1}, {"":1}, {"a"*50:1}, {str(i):1 for i in range(60)}, {"a":[1]}, {"a":"x"*600}, "2020-01-01", "2099-01-01T00:00:00Z", "9999-12-31T23:59:59-10:00"]
    bodies = {"/v1/customers": ["external_id","email","phone","name","tags","metadata","foo"],
      "/v1/payments": ["amount","currency","method","country","reference","description","metadata","provider","occurred_at","provider_ref_id","fee_amount","customer_id","external_customer_id","customer"],
      "/v1/api-keys": ["name","scopes"]}
    for path, fields in bodies.items():
        base = {"/v1/customers": {"name":"A"}, "/v1/payments":{"amount":1,"currency":"GHS","provider":"external"}, "/v1/api-keys":{}}[path]
        for f in fields:
            for v in values:
                r = await merchant.test.post(path, json={**base, f: v})
                if r.status_code == 400:
                    for x in r.json()["details"].get("fields", []): codes[x["code"]].add((x["field"], x["message"][:60]))
                elif r.status_code >= 500: codes["500"].add((f, str(v)[:50]))
        for b in ([], 1, "x"):
            r = await merchant.test.post(path, json=b)
            for x in r.json()["details"].get("fields", []): codes[x["code"]].add((x["field"], x["message"][:60]))
    await merchant.customer(external_id="u")
    for path, fields in {"/v1/customers/external/u/tags":["tags"], "/v1/sandbox/payments/x/complete":["outcome"], "/v1/payments/x/refund":["amount","reason"]}.items():
        for f in fields:
            for v in values:
                r = await merchant.test.post(path, json={f: v})
                if r.status_code == 400:
                    for x in r.json()["details"].get("fields", []): codes[x["code"]].add((x["field"], x["message"][:60]))
    qv = ["", "x", "-1", "0", "99999999999999999999999", "1.5", "x"*3000, "ghs", "2020", "true", "a\u0001"]
    for path, fields in {"/v1/customers":["limit","offset","cursor","include_total","external_id","email","phone","tag","metadata","metadata[a]","search","created_after","min_spent","currency","sort_by","sort_order","foo"],
        "/v1/customers/top":["limit","metric","currency","period","from","to","tag"], "/v1/payments":["status","currency","customer_id","reference"], "/v1/customers/external/u/value":["explain","as_of"], "/v1/customers/lookup":["external_id"]}.items():
        for f in fields:
            for v in qv:
                r = await merchant.test.get(path, params={f: v})
                if r.status_code == 400:
                    for x in r.json()["details"].get("fields", []): codes[x["code"]].add((x["field"], x["message"][:60]))
                elif r.status_code >= 500: codes["500"].add((f, str(v)[:50]))
        r = await merchant.test.get(path, params=[("limit","1"),("limit","2")])
        for x in r.json()["details"].get("fields", []): codes[x["code"]].add((x["field"], x["message"][:60]))
    with open("/tmp/docsplay/codes.txt","w") as f:
        for c, s in sorted(codes.items()): print(c, len(s), sorted(s)[:3], file=f)
