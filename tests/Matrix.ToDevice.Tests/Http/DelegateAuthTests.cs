using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

public class DelegateAuthTests
{
    [Test]
    public async Task R20_a_function_tells_who_asks()
    {
        await using var server = await TestHomeserver.StartAsync(builder => builder.UseAuth((context, _) => ValueTask.FromResult(
            MatrixAccessToken.Read(context) is { } token ? AuthResult.Success($"@{token}:hs1", "D") : AuthResult.MissingToken)));
        server.Devices.Add("@carol:hs1", "D");
        var carol = new TestClient(server.Http, "carol");

        (await carol.SendAsync("t1", "@carol:hs1", "D")).ShouldBeAccepted();

        Assert.That((await carol.SyncAsync()).Events.Single().Sender, Is.EqualTo("@carol:hs1"));
    }

    [Test]
    public async Task R9_what_a_function_refuses_is_answered()
    {
        await using var server = await TestHomeserver.StartAsync(
            builder => builder.UseAuth((_, _) => ValueTask.FromResult(AuthResult.UserLocked)));

        (await new TestClient(server.Http, "x").SendAsync("t1", "@bob:hs1", "B1")).ShouldBe(401, "M_USER_LOCKED");
    }

    [Test]
    public async Task R9_a_function_may_throw_its_Matrix_error()
    {
        await using var server = await TestHomeserver.StartAsync(builder => builder.UseAuth(
            (_, _) => throw new ToDeviceErrorException(new ToDeviceError(403, "M_FORBIDDEN", "Not here"))));

        (await new TestClient(server.Http, "x").SendAsync("t1", "@bob:hs1", "B1")).ShouldBe(403, "M_FORBIDDEN");
    }

    [Test]
    public async Task R20_a_scoped_resolver_has_one_instance_for_each_request()
    {
        await using var server = await TestHomeserver.StartAsync(builder => builder.UseAuth<CountingAuth>(ServiceLifetime.Scoped));
        server.Devices.Add("@bob:hs1", "B1");
        var client = new TestClient(server.Http, "x");

        // Both are first calls of their instance, so both requests come from the same device.
        (await client.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();
        (await client.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();

        using var batch = await server.ToDevice.NextAsync(new DeviceAddress("@bob:hs1", "B1"), null, TimeSpan.Zero, default);
        Assert.That(batch.Events, Has.Count.EqualTo(1));
    }

    public sealed class CountingAuth : IAuthResolver
    {
        private int _calls;

        public ValueTask<AuthResult> ResolveAsync(HttpContext context, CancellationToken cancellationToken) =>
            ValueTask.FromResult(AuthResult.Success("@alice:hs1", $"call {++_calls}"));
    }
}
