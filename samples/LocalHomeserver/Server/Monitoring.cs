using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

namespace LocalHomeserver;

/// <summary>What the library says of itself, through OpenTelemetry: metrics for Prometheus, and metrics and traces for a collector.</summary>
internal static class Monitoring
{
    /// <summary>OpenTelemetry's own setting.</summary>
    public const string OtlpEndpoint = "OTEL_EXPORTER_OTLP_ENDPOINT";

    public static void AddMonitoring(this IServiceCollection services, Settings settings, ConfigurationManager configuration)
    {
        // OpenTelemetry reads this one by itself, and what belongs to it: OTEL_EXPORTER_OTLP_PROTOCOL, for example.
        if (settings.Otlp is not null) configuration[OtlpEndpoint] = settings.Otlp;
        if (settings.Metrics || settings.Otlp is not null)
        {
            services.AddOpenTelemetry().WithMetrics(metrics =>
            {
                metrics.AddMeter("Matrix.ToDevice");
                if (settings.Metrics) metrics.AddPrometheusExporter();
                if (settings.Otlp is not null) metrics.AddOtlpExporter();
            });
        }

        // A span of a send is part of that of its request, and each costs something: only where they go somewhere.
        if (settings.Otlp is not null)
            services.AddOpenTelemetry().WithTracing(traces => traces.AddSource("Matrix.ToDevice").AddAspNetCoreInstrumentation().AddOtlpExporter());
    }
}
