using System.Diagnostics;
using Matrix.ToDevice.Tests;

namespace Release;

/// <summary>A host that was made and built, running in development.</summary>
internal sealed class NewHost : IDisposable
{
    private const string Listening = "Now listening on: ";

    private readonly Process _process;

    private NewHost(Process process, Uri address) => (_process, Address) = (process, address);

    public Uri Address { get; }

    public static async Task<NewHost> StartAsync(string folder)
    {
        var name = Path.GetFileName(folder);
        var start = new ProcessStartInfo("dotnet", [$"bin/Debug/net10.0/{name}.dll", "--urls", "http://127.0.0.1:0"])
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            Environment = { ["ASPNETCORE_ENVIRONMENT"] = "Development" },
        };
        var process = Process.Start(start)!;
        while (await process.StandardOutput.ReadLineAsync().WaitAsync(TimeLimit.OfOneWait) is { } line)
        {
            if (!line.Contains(Listening, StringComparison.Ordinal)) continue;

            _ = process.StandardOutput.ReadToEndAsync();
            return new NewHost(process, new Uri(line.Split(Listening)[1].Trim()));
        }

        process.Kill();
        throw new InvalidOperationException($"{name} did not start.");
    }

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }
}
