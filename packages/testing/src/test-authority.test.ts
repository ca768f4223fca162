import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { test } from "node:test";
import { TestAuthority } from "./test-authority.js";

test("what it issues is what was asked for, and verifies", () => {
  const authority = new TestAuthority();
  const { cert, key } = authority.issue({
    name: "client",
    altNames: ["DNS:a.example", "IP:10.0.0.1", "URI:spiffe://example.org/shop"],
    notAfter: "20210102030405Z",
  });
  const issued = new X509Certificate(cert);
  const root = new X509Certificate(authority.cert);
  assert.equal(root.ca, true);
  assert.equal(issued.ca, false);
  assert.equal(issued.subject, "CN=client");
  assert.equal(issued.issuer, "CN=Test Authority");
  assert.equal(issued.subjectAltName, "DNS:a.example, IP Address:10.0.0.1, URI:spiffe://example.org/shop");
  assert.equal(issued.validTo, "Jan  2 03:04:05 2021 GMT");
  assert.ok(issued.checkIssued(root) && issued.verify(root.publicKey) && root.verify(root.publicKey));
  assert.match(key, /BEGIN PRIVATE KEY/);
});
