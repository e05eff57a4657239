using System.Reflection;

namespace Release;

/// <summary>The repository that the tests are of.</summary>
internal static class Repository
{
    public static string Folder { get; } = typeof(Repository).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .Single(metadata => metadata.Key == nameof(Repository)).Value!;

    public static string PathOf(string file) => Path.Combine(Folder, file);

    /// <summary>Copies what is, or would be, in a commit: uncommitted changes too, and nothing that was built.</summary>
    public static async Task CopyAsync(string folder)
    {
        var files = await Shell.RunAsync("git ls-files -z --cached --others --exclude-standard", Folder);
        foreach (var file in files.Split('\0', StringSplitOptions.RemoveEmptyEntries).Where(file => File.Exists(PathOf(file))))
        {
            var copy = Path.Combine(folder, file);
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(PathOf(file), copy);
        }
    }
}
