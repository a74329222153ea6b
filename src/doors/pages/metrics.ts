import type { Handler } from '../../http/route.ts';
import type { PrometheusMetrics } from '../../telemetry/prometheus.ts';

/** The page that Prometheus scrapes. */
export function createMetricsPage(metrics: PrometheusMetrics): Handler {
  return async (_request, response) => {
    const text = await metrics.text();
    response.writeHead(200, { 'content-type': metrics.contentType }).end(text);
  };
}
