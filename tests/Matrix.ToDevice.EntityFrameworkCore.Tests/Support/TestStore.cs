using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>The store that the shared tests of this project run on: a new SQLite file each time.</summary>
internal static class TestStore
{
    private static readonly SqliteDatabases s_files = new();
    private static int s_count;

    public static ISendToDeviceBuilder UseTestStore(this ISendToDeviceBuilder builder)
    {
        var name = NewName();
        Create(s_files, name);
        builder.Services.AddDbContext<HomeserverDb>(options => s_files.Use(options, name));
        return builder.UseEntityFrameworkCore<HomeserverDb>();
    }

    /// <summary>A name that no other test has for its database.</summary>
    public static string NewName() => $"test{Interlocked.Increment(ref s_count)}";

    /// <summary>Stands for the homeserver's migrations.</summary>
    public static void Create(ITestDatabase databases, string name)
    {
        var options = new DbContextOptionsBuilder<HomeserverDb>();
        databases.Use(options, name);
        using var db = new HomeserverDb(options.Options);
        db.Database.EnsureCreated();
    }
}
