using Matrix.ToDevice;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

namespace LocalHomeserver.Tests;

/// <summary>The set-up that docs/monitoring.md shows.</summary>
internal sealed class MonitoringExampleTests
{
    [Test]
    public async Task The_page_s_set_up_shows_metrics_and_health()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        builder.Services.AddSendToDevice().UseInMemory();
        // <monitoring-services>
        builder.Services.AddOpenTelemetry()
            .WithMetrics(metrics => metrics.AddMeter("Matrix.ToDevice").AddPrometheusExporter())
            .WithTracing(traces => traces.AddSource("Matrix.ToDevice").AddOtlpExporter());
        builder.Services.AddHealthChecks().AddSendToDevice();
        // </monitoring-services>
        await using var app = builder.Build();
        // <monitoring-endpoints>
        app.MapPrometheusScrapingEndpoint("/metrics");
        app.MapHealthChecks("/health");
        // </monitoring-endpoints>
        await app.StartAsync();

        using var http = new HttpClient { BaseAddress = new Uri(app.Urls.Single()) };
        Assert.That(await http.GetStringAsync("health"), Is.EqualTo("Healthy"));
        using var limit = new CancellationTokenSource(Matrix.ToDevice.Tests.TimeLimit.OfOneWait);
        // The counters are announced behind the start, and an answer is kept for a moment.
        while (!(await http.GetStringAsync("metrics", limit.Token)).Contains("matrix_to_device_handed_out_total", StringComparison.Ordinal)) await Task.Delay(100, limit.Token);
    }
}
