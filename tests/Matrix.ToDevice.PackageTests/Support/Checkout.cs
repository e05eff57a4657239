namespace Matrix.ToDevice.Tests;

/// <summary>A copy of the repository as it is now, uncommitted changes included, in which a build disturbs nobody.</summary>
internal sealed class Checkout
{
    /// <summary>A version that is nobody's: what is found under it was packed here.</summary>
    public const string Version = "1.2.3-packed";

    private Checkout(string folder) => Folder = folder;

    public string Folder { get; }

    public static async Task<Checkout> CreateAsync(string folder)
    {
        await GitAsync(Repository.Folder, "clone", "--quiet", "--no-checkout", "--shared", Repository.Folder, folder);
        var files = await GitAsync(Repository.Folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard");
        foreach (var file in files.Split('\0', StringSplitOptions.RemoveEmptyEntries))
        {
            var (from, to) = (Path.Combine(Repository.Folder, file), Path.Combine(folder, file));
            if (!File.Exists(from)) continue;
            Directory.CreateDirectory(Path.GetDirectoryName(to)!);
            File.Copy(from, to);
        }

        return new Checkout(folder);
    }

    /// <summary>As a release does it.</summary>
    public async Task PackAsync(string output, string what = "Matrix.ToDevice.sln", Dictionary<string, string>? environment = null)
    {
        var start = CommandLine.Dotnet(Folder, "pack", what, "-c", "Release", "-o", output, $"-p:Version={Version}");
        foreach (var (name, value) in environment ?? []) start.Environment[name] = value;
        await CommandLine.RunAsync(start);
    }

    public Task<string> GitAsync(params string[] arguments) => GitAsync(Folder, arguments);

    private static Task<string> GitAsync(string folder, params string[] arguments) =>
        CommandLine.RunAsync(CommandLine.Of(folder, "git", arguments));
}
