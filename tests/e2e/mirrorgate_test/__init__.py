"""The workbench of the end-to-end tests: certificates, stores, gateways and clients.

No test lives here. Each module is one end of the wire: `pki` makes the callers' certificates,
`store` runs the artifact stores behind the gateway, `gateway` runs the program under test, and
`client` speaks to it. `lab` puts them together and takes them down again.
"""
