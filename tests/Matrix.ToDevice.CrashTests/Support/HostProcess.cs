using System.Diagnostics;
using System.Reflection;

namespace Matrix.ToDevice.Tests;

/// <summary>The sample homeserver as a process of its own, which can be killed and started again at the same address.</summary>
internal sealed class HostProcess : IDisposable
{
    private static readonly string s_dll = Environment.GetEnvironmentVariable("HOMESERVER_DLL") ??
        Path.Combine(Repository, "samples/LocalHomeserver/bin", Metadata("Configuration"), "LocalHomeserver.dll");

    private readonly string[] _settings;
    private Process? _process;

    public HostProcess(params string[] settings)
    {
        _settings = settings;
        Address = new Uri($"http://127.0.0.1:{LoopbackPort.Unused()}/");
    }

    /// <summary>Where the sources are.</summary>
    public static string Repository => Metadata("Repository");

    public Uri Address { get; }

    /// <summary>Starts it and returns when it is ready.</summary>
    /// <param name="settings">Settings beside those that it has anyway.</param>
    public async Task StartAsync(params string[] settings)
    {
        var start = new ProcessStartInfo("dotnet", [s_dll, "--urls", Address.ToString(), .. _settings, .. settings])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        _process = Process.Start(start)!;
        // This line says that it listens; what the log says may come before.
        string? line;
        do line = await _process.StandardOutput.ReadLineAsync();
        while (line?.StartsWith("Homeserver ", StringComparison.Ordinal) == false);
        if (line is null) throw new InvalidOperationException($"The host did not start: {await _process.StandardError.ReadToEndAsync()}");
        _ = _process.StandardOutput.ReadToEndAsync();
        _ = _process.StandardError.ReadToEndAsync();
    }

    /// <summary>SIGKILL: it gets no chance to finish anything.</summary>
    public async Task KillAsync()
    {
        _process!.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
        _process = null;
    }

    private static string Metadata(string key) => typeof(HostProcess).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .Single(metadata => metadata.Key == key).Value!;

    public void Dispose()
    {
        _process?.Kill();
        _process?.Dispose();
    }
}
