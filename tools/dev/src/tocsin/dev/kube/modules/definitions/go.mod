// Definitions of other projects' kinds that our manifests use: files inside these modules. Nothing is built, so nothing imports them, and
// `go mod tidy` would drop the lines.
module tocsin/tools/dev/kube/definitions

go 1.26.0

require (
	github.com/external-secrets/external-secrets v0.20.4
	github.com/kedacore/keda/v2 v2.17.2
	sigs.k8s.io/gateway-api v1.6.3
)
