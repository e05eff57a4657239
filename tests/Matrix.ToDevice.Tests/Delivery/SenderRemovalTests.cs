using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Matrix.ToDevice.Tests;

/// <summary>The sending device is removed just when its token has been found good.</summary>
public class SenderRemovalTests
{
    /// <summary>Every send is authenticated once, and again when one of its recipients is removed meanwhile.</summary>
    [Test]
    public async Task D6_D17_a_sender_removed_while_it_is_authenticated_sends_nothing_and_leaves_no_record([Values(1, 2)] int authentication)
    {
        await using var server = await TestHomeserver.StartAsync(Hooks.Add);
        var hooks = server.Services.GetRequiredService<Hooks>();
        var alice = server.Login("@alice:hs1", "A1");
        var bob = server.Login("@bob:hs1", "B1");
        server.Login("@bob:hs1", "B2");
        hooks.Authenticated = async count =>
        {
            if (count == authentication) await server.LogoutAsync("@alice:hs1", "A1");
        };
        hooks.LookedUp = async count =>
        {
            if (count == 1 && authentication == 2) await server.LogoutAsync("@bob:hs1", "B2");
        };

        (await alice.SendAsync("t1", "@bob:hs1", "*", """{"life":1}""")).ShouldBe(401, "M_UNKNOWN_TOKEN");

        hooks.Authenticated = hooks.LookedUp = _ => Task.CompletedTask;
        Assert.That((await bob.SyncAsync()).Events, Is.Empty);
        alice = server.Login("@alice:hs1", "A1");
        (await alice.SendAsync("t1", "@bob:hs1", "B1", """{"life":2}""")).ShouldBeAccepted();
        Assert.That((await bob.SyncAsync()).Contents, Is.EqualTo(new[] { """{"life":2}""" }), "a later device's transaction is not the earlier one's");
    }

    /// <summary>The server's tokens and devices, with a place to do something just when an answer has been found.</summary>
    private sealed class Hooks(TestDevices devices) : IAuthResolver, IDeviceDirectory
    {
        private int _authentications, _lookUps;

        public Func<int, Task> Authenticated { get; set; } = _ => Task.CompletedTask;
        public Func<int, Task> LookedUp { get; set; } = _ => Task.CompletedTask;

        public static void Add(ISendToDeviceBuilder builder)
        {
            builder.Services.AddSingleton<Hooks>();
            builder.Services.Replace(ServiceDescriptor.Singleton<IAuthResolver>(provider => provider.GetRequiredService<Hooks>()));
            builder.Services.Replace(ServiceDescriptor.Singleton<IDeviceDirectory>(provider => provider.GetRequiredService<Hooks>()));
        }

        public async ValueTask<AuthResult> ResolveAsync(HttpContext context, CancellationToken cancellationToken)
        {
            var result = await devices.ResolveAsync(context, cancellationToken);
            await Authenticated(++_authentications);
            return result;
        }

        public async ValueTask<IReadOnlyList<UserDevices>> FindAsync(IReadOnlyList<string> userIds, CancellationToken cancellationToken)
        {
            var found = await devices.FindAsync(userIds, cancellationToken);
            await LookedUp(++_lookUps);
            return found;
        }
    }
}
