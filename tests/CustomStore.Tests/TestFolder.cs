namespace CustomStore.Tests;

/// <summary>A temporary folder for the database files of a test run.</summary>
[SetUpFixture]
public class TestFolder
{
    private static int s_files;

    internal static string Path { get; } = Directory.CreateTempSubdirectory("custom-store-tests-").FullName;

    /// <summary>A connection string for a file that is not there yet.</summary>
    internal static string NewDatabase() => $"Data Source={System.IO.Path.Combine(Path, $"{Interlocked.Increment(ref s_files)}.db")}";

    [OneTimeTearDown]
    public void Delete() => Directory.Delete(Path, recursive: true);
}
