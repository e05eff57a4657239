using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Matrix.ToDevice.Tests;

namespace LocalHomeserver.Tests;

/// <summary>A Prometheus of its own, which asks a server for its metrics every second.</summary>
internal sealed class PrometheusServer : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("local-homeserver-tests-").FullName;
    private readonly HttpClient _http;
    private readonly Process _process;

    private PrometheusServer(Uri target)
    {
        var configuration = Path.Combine(_folder, "prometheus.yml");
        File.WriteAllText(configuration, $"""
            global:
              scrape_interval: 1s
            scrape_configs:
              - job_name: todevice
                static_configs:
                  - targets: ["{target.Authority}"]
            """);
        var address = $"127.0.0.1:{LoopbackPort.Unused()}";
        _http = new HttpClient { BaseAddress = new Uri($"http://{address}/") };
        _process = Process.Start(new ProcessStartInfo("prometheus",
            [$"--config.file={configuration}", $"--storage.tsdb.path={Path.Combine(_folder, "data")}", $"--web.listen-address={address}", "--log.level=error"])
        {
            RedirectStandardError = true,
        })!;
        _ = _process.StandardError.ReadToEndAsync();
    }

    public static async Task<PrometheusServer> StartAsync(Uri target)
    {
        RequiredPrometheus.Programs();
        var server = new PrometheusServer(target);
        using var limit = new CancellationTokenSource(TimeLimit.OfOneWait);
        while (!await server.IsReadyAsync())
        {
            Assert.That(limit.IsCancellationRequested, Is.False, "Prometheus does not get ready.");
            await Task.Delay(100);
        }

        return server;
    }

    /// <summary>The one value of an expression, as Prometheus has it now; null when it has none.</summary>
    public async Task<double?> QueryAsync(string expression)
    {
        using var response = await _http.GetAsync($"api/v1/query?query={Uri.EscapeDataString(expression)}");
        using var answer = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        Assert.That(answer.RootElement.String("status"), Is.EqualTo("success"), expression);
        var results = answer.RootElement.GetProperty("data").GetProperty("result");
        Assert.That(results.GetArrayLength(), Is.LessThanOrEqualTo(1), expression);
        return results.GetArrayLength() == 0 ? null : double.Parse(results[0].GetProperty("value")[1].GetString()!, CultureInfo.InvariantCulture);
    }

    /// <summary>Asks until an expression has a value, and says what it had if that does not come.</summary>
    public async Task ReachesAsync(string expression, double value)
    {
        using var limit = new CancellationTokenSource(TimeLimit.OfOneWait);
        for (var found = await QueryAsync(expression); found != value; found = await QueryAsync(expression))
        {
            Assert.That(limit.IsCancellationRequested, Is.False, $"{expression} is {found}, and not {value}.");
            await Task.Delay(100);
        }
    }

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
        _http.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private async Task<bool> IsReadyAsync()
    {
        try
        {
            return (await _http.GetAsync("-/ready")).IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }
}

/// <summary>What tests do that need Prometheus' programs.</summary>
internal static class RequiredPrometheus
{
    private static readonly bool s_isThere = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .Any(folder => File.Exists(Path.Combine(folder, "promtool")) && File.Exists(Path.Combine(folder, "prometheus")));

    /// <summary>Without them, the test is ignored on a laptop and fails where nothing may be skipped.</summary>
    public static void Programs()
    {
        if (!s_isThere) RequiredPostgreSql.Miss("There is no Prometheus on this machine (Debian: the package prometheus).");
    }
}
