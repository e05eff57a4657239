using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Matrix.ToDevice.Tests;

/// <summary>One send is for a bounded number of other servers (D21).</summary>
public class ServerLimitTests : HttpTests
{
    private const int MaxServers = 2;

    private protected override void Configure(ISendToDeviceBuilder builder) =>
        builder.Services.Configure<SendToDeviceOptions>(options => options.MaxServers = MaxServers);

    [TestCase("""{"messages":{"@bob:hs1":{"B1":{}},"@c:hs2":{"*":{}},"@c:hs3":{"C":{}}}}""")]
    [TestCase("""{"messages":{"@bob:hs1":{"B1":{}},"@c:hs2":{"*":{},"C":{}},"@d:hs2":{"D":{}},"@c:hs3":{"C":{}},"@e:hs2":{"E":{}}}}""")]
    [TestCase("""{"messages":{"@bob:hs1":{"B1":{}},"@c:hs2":{"C":{}},"@c:hs 3":{"C":{}},"@c:":{"C":{}},"not one:hs5":{"C":{}},"@c:hs3":{"C":{}}}}""")]
    public async Task D21_as_many_servers_as_the_limit_are_accepted_and_its_own_is_none_of_them(string body)
    {
        (await Alice.PutAsync("m.test", "t1", body)).ShouldBeAccepted();

        Assert.That(await DestinationsAsync(), Is.EqualTo(new[] { "hs2", "hs3" }));
        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));
    }

    [TestCase("""{"messages":{"@bob:hs1":{"B1":{}},"@c:hs2":{"C":{}},"@c:hs3":{"C":{}},"@c:hs4":{"C":{}}}}""")]
    [TestCase("""{"messages":{"@bob:hs1":{"B1":{}},"@c:hs2":{"*":{}},"@c:HS2":{"*":{}},"@c:hs2:8448":{"*":{}}}}""")]
    [TestCase("""{"messages":{"@bob:hs1":{"B1":{}},"@c:hs2":{},"@c:hs3":{},"@c:hs4":{}}}""")]
    public async Task D21_more_servers_are_M_BAD_JSON_and_nobody_gets_anything(string body)
    {
        var refused = await Alice.PutAsync("m.test", "t1", body);

        refused.ShouldBe(400, "M_BAD_JSON");
        Assert.That((string?)refused.Json["error"], Does.Contain("2 other servers"));
        Assert.That(await DestinationsAsync(), Is.Empty);
        Assert.That(await CountBobsMailAsync(), Is.Zero);
        (await Alice.PutAsync("m.test", "t1", ToBob())).ShouldBeAccepted();
        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1), "a refused request has recorded nothing");
    }

    [Test]
    public async Task D21_500_servers_are_taken_by_default_and_501_refused_before_anybody_is_looked_up()
    {
        await using var server = await TestHomeserver.StartAsync();
        (await server.Login("@alice:hs1", "A1").PutAsync("m.test", "t1", ToServers(500))).ShouldBeAccepted();
        Assert.That(await server.Services.GetRequiredService<IFederationOutbox>().ListDestinationsAsync(null, 1000, default), Has.Count.EqualTo(500));

        await using var blind = await TestHomeserver.StartAsync(
            builder => builder.Services.Replace(ServiceDescriptor.Singleton<IDeviceDirectory, NoDirectory>()));
        var alice = blind.Login("@alice:hs1", "A1");
        (await alice.PutAsync("m.test", "t1", ToServers(501))).ShouldBe(400, "M_BAD_JSON");
        (await alice.PutAsync("m.test", "t2", ToServers(500))).ShouldBe(503, "M_UNKNOWN");

        static string ToServers(int count) =>
            "{\"messages\":{" + string.Join(",", Enumerable.Range(1, count).Select(n => $"\"@u:s{n}\":{{\"*\":{{}}}}")) + "}}";
    }

    [Test]
    public async Task D21_each_send_counts_for_itself()
    {
        string[] others = ["hs2", "hs3", "hs4", "hs5"];
        foreach (var other in others) (await Alice.SendAsync(other, $"@c:{other}", "C")).ShouldBeAccepted();

        Assert.That(await DestinationsAsync(), Is.EqualTo(others));
    }

    private async Task<IReadOnlyList<string>> DestinationsAsync() =>
        await Server.Services.GetRequiredService<IFederationOutbox>().ListDestinationsAsync(null, 100, default);

    private sealed class NoDirectory : IDeviceDirectory
    {
        public ValueTask<IReadOnlyList<UserDevices>> FindAsync(IReadOnlyList<string> userIds, CancellationToken cancellationToken) =>
            throw new IOException("The directory is away.");
    }
}
