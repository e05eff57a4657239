using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>The store that the tests of this project run on: a new schema in the run's database each time.</summary>
internal static class TestStore
{
    public static ISendToDeviceBuilder UseTestStore(this ISendToDeviceBuilder builder) =>
        builder.UsePostgreSql(options =>
        {
            options.ConnectionString = TestCluster.ConnectionString;
            options.Schema = TestCluster.NewSchema();
        });
}
