// Package monitoring names the types from which controller-gen writes the Prometheus Operator's definitions.
package monitoring

import _ "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
