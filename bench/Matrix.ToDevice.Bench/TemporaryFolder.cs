namespace Matrix.ToDevice.Bench;

/// <summary>A folder that goes with its user.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("todevice-bench-");

    public string File(string name) => Path.Combine(_folder.FullName, name);

    public static string ConnectionString(string path, string? vfs) =>
        $"Data Source={path};Pooling=False{(vfs is null ? "" : $";Vfs={vfs}")}";

    public void Dispose() => _folder.Delete(recursive: true);
}
