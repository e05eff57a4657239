using System.Text.RegularExpressions;

namespace Release;

/// <summary>
/// A release of this repository, played once: its tag starts release.yml, whose scripts are run as they stand, each job in a folder of its
/// own. What only GitHub can do is stood in for, and the gallery is a folder.
/// </summary>
internal sealed partial class Rehearsal
{
    public const string Version = "0.1.1-rehearsal.1";

    private static readonly Lazy<Task<Rehearsal>> s_once = new(PlayAsync);
    private static readonly DirectoryInfo s_folder = Directory.CreateTempSubdirectory("todevice-release-");

    private readonly string _origin = Folder("origin"), _artifacts = Folder("artifacts"), _tools = Folder("tools");

    /// <summary>What the tag names.</summary>
    public string Commit { get; private set; } = "";

    /// <summary>What was pushed.</summary>
    public string Gallery { get; } = Folder("gallery");

    /// <summary>Where the release was packed.</summary>
    public static string Workspace => WorkspaceOf("build");

    /// <summary>What attestations were made for.</summary>
    public List<string> Attested { get; } = [];

    /// <summary>What the GitHub release was made with, a line for each argument.</summary>
    public string GitHubRelease => File.ReadAllText(Path.Combine(_tools, "gh.log"));

    public static Task<Rehearsal> OnceAsync() => s_once.Value;

    public static string Folder(string name) => s_folder.CreateSubdirectory(name).FullName;

    public static void Delete() => s_folder.Delete(recursive: true);

    private static async Task<Rehearsal> PlayAsync()
    {
        var rehearsal = new Rehearsal();
        await rehearsal.TagAsync();
        foreach (var job in Workflow.Release.Jobs)
        {
            var outputs = new Dictionary<string, string>();
            foreach (var step in job.Steps)
            {
                var started = TimeProvider.System.GetTimestamp();
                if (step.Run is not null) await rehearsal.RunAsync(job, step, outputs);
                else await rehearsal.UseAsync(job, step, outputs);
                TestContext.Out.WriteLine($"{TimeProvider.System.GetElapsedTime(started).TotalSeconds,4:F0} s  {step.Run ?? step.Action}");
            }
        }

        return rehearsal;
    }

    /// <summary>What docs/releasing.md says to do: the version, the heading, the tag.</summary>
    private async Task TagAsync()
    {
        await Repository.CopyAsync(_origin);
        Replace("Directory.Build.props", VersionProperty(), $"<Version>{Version}</Version>");
        Replace("CHANGELOG.md", Unreleased(), $"## Unreleased\n\n## {Version} - 2026-01-31\n\nThe rehearsal.\n");
        await Shell.RunAsync(
            $"""
            git init -q -b main && git add -A
            git -c user.name=tests -c user.email=tests@localhost commit -q -m "Release {Version}"
            git tag v{Version}
            """,
            _origin);

        var gh = Path.Combine(_tools, "gh");
        await File.WriteAllTextAsync(gh, $$"""
            #!/bin/bash
            test -n "$GH_TOKEN" -a -n "$GH_REPO" || exit 1
            if [[ $1 == api ]]; then exec git -C {{_origin}} rev-parse "${2#repos/owner/repository/commits/}^{commit}"; fi
            printf '%s\n' "$@" >{{_tools}}/gh.log

            """);
        await Shell.RunAsync("chmod +x gh", _tools);
        Commit = (await Shell.RunAsync("git rev-parse HEAD", _origin)).Trim();
    }

    private void Replace(string file, Regex what, string with)
    {
        var path = Path.Combine(_origin, file);
        var text = File.ReadAllText(path);
        Assert.That(what.Count(text), Is.EqualTo(1), $"{what} in {file}");
        File.WriteAllText(path, what.Replace(text, with));
    }

    /// <summary>Runs one script of the release again, where it was run, in another environment.</summary>
    public Task AgainAsync(string script, string? folder = null, string? commit = null)
    {
        var (job, step) = Workflow.Release.Jobs.SelectMany(job => job.Steps.Select(step => (job, step)))
            .Single(one => one.step.Run?.Contains(script, StringComparison.Ordinal) == true);
        return RunAsync(job, step, new Dictionary<string, string>(), folder, commit);
    }

    private async Task RunAsync(Job job, Step step, Dictionary<string, string> outputs, string? folder = null, string? commit = null)
    {
        // It runs these very tests. What it builds is there behind it.
        if (step.Run == "./test.sh")
        {
            await Shell.RunAsync(
                "test -x test.sh; for project in src/*/*.csproj; do dotnet build \"$project\" -c Release -v quiet --tl:off; done", WorkspaceOf(job.Id));
            return;
        }

        var environment = new Dictionary<string, string>
        {
            ["PATH"] = $"{_tools}:{Environment.GetEnvironmentVariable("PATH")}",
            ["CI"] = "true",
            ["GITHUB_ACTIONS"] = "true",
            ["GITHUB_REF"] = $"refs/tags/v{Version}",
            ["GITHUB_REF_NAME"] = $"v{Version}",
            ["GITHUB_REPOSITORY"] = "owner/repository",
            ["GITHUB_SHA"] = commit ?? Commit,
            ["GITHUB_SERVER_URL"] = "https://github.com",
            ["GITHUB_WORKSPACE"] = WorkspaceOf(job.Id),
        };
        foreach (var (name, value) in Workflow.Release.Env.Concat(step.Env)) environment[name] = Evaluate(value, outputs);
        if (environment.ContainsKey("GALLERY")) environment["GALLERY"] = Gallery;
        await Shell.RunAsync(step.Run!, folder ?? WorkspaceOf(job.Id), environment);
    }

    private async Task UseAsync(Job job, Step step, Dictionary<string, string> outputs)
    {
        var (workspace, with) = (WorkspaceOf(job.Id), step.With);
        switch (step.Action)
        {
            case "actions/checkout":
                // A commit without history, as GitHub's.
                await Shell.RunAsync($"git -c advice.detachedHead=false clone -q --depth 1 --branch v{Version} file://{_origin} .", workspace);
                break;
            case "actions/setup-dotnet":
                break;
            case "actions/upload-artifact":
                await Shell.RunAsync($"test -n \"$(ls -A {with["path"]})\" && cp -r {with["path"]} {_artifacts}/{with["name"]}", workspace);
                break;
            case "actions/download-artifact":
                await Shell.RunAsync($"cp -r {_artifacts}/{with["name"]} {with["path"]}", workspace);
                break;
            case "actions/attest":
                var files = await Shell.RunAsync($"printf '%s\\n' {with["subject-path"]}", workspace);
                Attested.AddRange(files.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(file => Path.GetFileName(file)));
                break;
            case "NuGet/login":
                Assert.That(Evaluate(with["user"], outputs), Is.EqualTo("a user"));
                outputs[$"steps.{step.Id}.outputs.NUGET_API_KEY"] = "a key for an hour";
                break;
            default:
                Assert.Fail($"{step.Uses}: nobody stands in for it.");
                break;
        }
    }

    private static string Evaluate(string text, Dictionary<string, string> outputs) => Expression().Replace(text, match => match.Groups[1].Value switch
    {
        "github.repository" => "owner/repository",
        "github.token" => "a token",
        "vars.NUGET_USER" => "a user",
        "contains(github.ref_name, '-')" => Version.Contains('-', StringComparison.Ordinal) ? "true" : "false",
        var output => outputs[output],
    });

    public static string WorkspaceOf(string job) => Folder($"jobs/{job}");

    [GeneratedRegex(@"\$\{\{ (.*?) \}\}")]
    private static partial Regex Expression();

    [GeneratedRegex("<Version>[^<]*</Version>")]
    private static partial Regex VersionProperty();

    [GeneratedRegex("(?m)^## Unreleased\n")]
    private static partial Regex Unreleased();
}

/// <summary>At the end.</summary>
[SetUpFixture]
public class RehearsalFolder
{
    [OneTimeTearDown]
    public void Delete() => Rehearsal.Delete();
}
