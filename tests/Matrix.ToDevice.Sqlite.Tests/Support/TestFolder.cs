namespace Matrix.ToDevice.Tests;

/// <summary>A temporary folder for the database files of a test run.</summary>
[SetUpFixture]
public class TestFolder
{
    private static int s_files;

    internal static string Path { get; } = Directory.CreateTempSubdirectory("todevice-sqlite-tests-").FullName;

    /// <summary>A path in the folder where nothing is yet.</summary>
    internal static string NewFile() => System.IO.Path.Combine(Path, $"{Interlocked.Increment(ref s_files)}.db");

    [OneTimeTearDown]
    public void Delete() => Directory.Delete(Path, recursive: true);
}
