using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>The store that the tests of this project run on: a new SQLite file each time.</summary>
internal static class TestStore
{
    public static ISendToDeviceBuilder UseTestStore(this ISendToDeviceBuilder builder) =>
        builder.UseSqlite($"Data Source={TestFolder.NewFile()}");
}
