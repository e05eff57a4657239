using System.Reflection;

namespace Matrix.ToDevice.Tests;

/// <summary>Where the repository is, for tests of what its pages say.</summary>
internal static class Repository
{
    public static string Folder { get; } = typeof(Repository).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .Single(metadata => metadata.Key == nameof(Repository)).Value!;
}
