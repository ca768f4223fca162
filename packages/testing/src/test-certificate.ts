/**
 * A self-signed certificate for localhost, 127.0.0.1 and ::1 with its key, valid from 2020 to 2119. It is its own CA: pass
 * `cert` as `ca`. Everybody has the key, so it protects nothing.
 */
export const testCertificate: { readonly cert: string; readonly key: string } = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgDCmLdzYOGmZ2/gg+
iyb/91zgJls+G1j81RQ9IM0drQuhRANCAATVp30chtWMj4NByJZtdu3DU6DGXcCK
P6WrspjHz2kM6ss75Z9shwDYlYqtet2oO+dBkAhwVyeF+C5c6Dj0OpT2
-----END PRIVATE KEY-----
`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBeDCCAR+gAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhv
c3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM
CWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNWnfRyG1YyPg0HI
lm127cNToMZdwIo/pauymMfPaQzqyzvln2yHANiViq163ag750GQCHBXJ4X4Llzo
OPQ6lPajYDBeMCwGA1UdEQQlMCOCCWxvY2FsaG9zdIcEfwAAAYcQAAAAAAAAAAAA
AAAAAAAAATAPBgNVHRMBAf8EBTADAQH/MB0GA1UdDgQWBBSnfEqnH4CMGdz0C6b/
hoytkyH0ijAKBggqhkjOPQQDAgNHADBEAiBiOfkDHSbHbVJgx1E30qlg11U2UWIv
2devql1YG5FkqQIgVjIFQb1Mdr/XZytzVmJalC6MDAP8zzQkZHz/48XvVDQ=
-----END CERTIFICATE-----
`,
};
