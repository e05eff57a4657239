using System.Collections;
using System.Diagnostics;

namespace Release;

/// <summary>Runs scripts as a runner of GitHub does: bash, which stops at the first command that fails, in a pipe too.</summary>
internal static class Shell
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(15);

    // What the test host, or the build that has started it, has set for itself is not there for others.
    private static readonly string[] s_private = ["MSBUILD", "VSTEST", "TESTINGPLATFORM", "GITHUB_", "NUGET_API_KEY", "COREHOST", "DOTNET_HOST_PATH"];

    /// <summary>What the script has printed, errors included.</summary>
    /// <exception cref="ScriptException">It has failed.</exception>
    public static async Task<string> RunAsync(string script, string folder, IReadOnlyDictionary<string, string>? environment = null)
    {
        var files = Directory.CreateTempSubdirectory("todevice-script-");
        try
        {
            var (file, log) = (Path.Combine(files.FullName, "script.sh"), Path.Combine(files.FullName, "log"));
            await File.WriteAllTextAsync(file, script);
            // Into a file, and not a pipe: what a build leaves running would hold a pipe open.
            var start = new ProcessStartInfo("bash", ["-c", "exec bash --noprofile --norc -eo pipefail \"$1\" >\"$2\" 2>&1 </dev/null", "run", file, log])
            {
                WorkingDirectory = folder,
            };
            foreach (var name in Environment.GetEnvironmentVariables().Keys.Cast<string>())
                if (s_private.Any(name.StartsWith)) start.Environment.Remove(name);
            start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
            foreach (var (name, value) in environment ?? new Dictionary<string, string>()) start.Environment[name] = value;

            using var process = Process.Start(start)!;
            using var late = new CancellationTokenSource(s_limit);
            try
            {
                await process.WaitForExitAsync(late.Token);
            }
            catch (OperationCanceledException)
            {
                process.Kill(entireProcessTree: true);
                throw new ScriptException($"It did not end within {s_limit.TotalMinutes} minutes", script, await File.ReadAllTextAsync(log));
            }

            var output = await File.ReadAllTextAsync(log);
            return process.ExitCode == 0 ? output : throw new ScriptException($"It ended with {process.ExitCode}", script, output);
        }
        finally
        {
            files.Delete(recursive: true);
        }
    }
}

internal sealed class ScriptException(string what, string script, string output) : Exception($"{what}: {script}\n{output}")
{
    public string Output => output;
}
