using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Matrix.ToDevice.Tests;

public class TokenAddressTests
{
    /// <summary>
    /// User ID and device ID of the two are the same letters when they are written one behind the other, and the token names a
    /// message that both have: its number and its send are the same.
    /// </summary>
    [TestCase("@bob:hs1:80", "0B", "@bob:hs1:800", "B")]
    [TestCase("@bob:a.example", "B", "@bob:a.exampleB", "")]
    public async Task D11_R122_a_token_of_an_address_of_the_same_letters_is_refused_and_deletes_nothing(
        string userId, string deviceId, string otherUserId, string otherDeviceId)
    {
        await using var server = await TestHomeserver.StartAsync(
            builder => builder.Services.Replace(ServiceDescriptor.Singleton<IDeviceDirectory>(new EveryUserIsHere(deviceId, otherDeviceId))));
        var (one, other) = (server.Login(userId, deviceId), server.Login(otherUserId, otherDeviceId));
        (await one.PutAsync(
            "m.test", "t1", $$$"""{"messages":{"{{{userId}}}":{"{{{deviceId}}}":{} },"{{{otherUserId}}}":{"{{{otherDeviceId}}}":{} } } }""")).ShouldBeAccepted();
        var token = (await other.SyncAsync()).NextBatch;

        (await one.SendAsync(HttpMethod.Get, $"/_matrix/client/v3/sync?since={token}")).ShouldBe(400, "M_INVALID_PARAM");

        Assert.That((await one.SyncAsync()).Events, Has.Count.EqualTo(1));
    }

    /// <summary>A host that answers for several server names.</summary>
    private sealed class EveryUserIsHere(params string[] deviceIds) : IDeviceDirectory
    {
        public ValueTask<IReadOnlyList<UserDevices>> FindAsync(IReadOnlyList<string> userIds, CancellationToken cancellationToken) =>
            ValueTask.FromResult<IReadOnlyList<UserDevices>>([.. userIds.Select(_ => UserDevices.Local(deviceIds))]);
    }
}
