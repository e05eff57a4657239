using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>The store that the tests of this project run on.</summary>
internal static class TestStore
{
    public static ISendToDeviceBuilder UseTestStore(this ISendToDeviceBuilder builder) => builder.UseInMemory();
}
