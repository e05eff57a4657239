using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Matrix.ToDevice.Tests;

public class DeviceRemovalTests
{
    [Test]
    public async Task R70_all_devices_of_a_user_end_in_one_call()
    {
        await using var server = await TestHomeserver.StartAsync();
        var alice = server.Login("@alice:hs1", "A1");
        foreach (var device in (string[])["B1", "B2", "B3"]) server.Login("@bob:hs1", device);
        (await alice.SendAsync("t1", "@bob:hs1", "*")).ShouldBeAccepted();

        await server.ToDevice.RemoveDevicesAsync("@bob:hs1", ["B1", "B3"], default);

        foreach (var (device, count) in (IEnumerable<(string, int)>)[("B1", 0), ("B2", 1), ("B3", 0)])
        {
            using var batch = await server.ToDevice.NextAsync(new DeviceAddress("@bob:hs1", device), null, TimeSpan.Zero, default);
            Assert.That(batch.Events, Has.Count.EqualTo(count), device);
        }
    }

    [Test]
    public async Task R70_D6_a_removed_device_leaves_nothing_for_a_later_one_of_its_id()
    {
        await using var server = await TestHomeserver.StartAsync();
        var alice = server.Login("@alice:hs1", "A1");
        server.Login("@bob:hs1", "B1");
        await alice.SendAsync("t1", "@bob:hs1", "B1");

        await server.LogoutAsync("@bob:hs1", "B1");

        Assert.That((await server.Login("@bob:hs1", "B1").SyncAsync()).Events, Is.Empty);
    }

    [Test]
    public async Task D6_D11_no_old_token_acknowledges_the_mail_of_a_later_device()
    {
        await using var server = await TestHomeserver.StartAsync();
        var alice = server.Login("@alice:hs1", "A1");
        var bob = server.Login("@bob:hs1", "B1");
        for (var i = 1; i <= 3; i++) await alice.SendAsync($"t{i}", "@bob:hs1", "B1", """{"life":1}""");
        var old = await bob.SyncAsync();

        await server.LogoutAsync("@bob:hs1", "B1");
        var later = server.Login("@bob:hs1", "B1");
        for (var i = 4; i <= 7; i++) await alice.SendAsync($"t{i}", "@bob:hs1", "B1", """{"life":2}""");

        Assert.That((await later.SyncAsync(old.NextBatch)).Contents, Is.EqualTo(Enumerable.Repeat("""{"life":2}""", 4)));
    }

    [Test]
    public async Task R46_D6_after_a_logout_the_same_transaction_is_another_one()
    {
        await using var server = await TestHomeserver.StartAsync();
        var alice = server.Login("@alice:hs1", "A1");
        var bob = server.Login("@bob:hs1", "B1");
        await alice.SendAsync("t1", "@bob:hs1", "B1", """{"n":1}""");

        await server.LogoutAsync("@alice:hs1", "A1");
        alice = server.Login("@alice:hs1", "A1");
        await alice.SendAsync("t1", "@bob:hs1", "B1", """{"n":2}""");

        Assert.That((await bob.SyncAsync()).Contents, Is.EqualTo(new[] { """{"n":1}""", """{"n":2}""" }));
    }

    [Test]
    public async Task R46_R72_D6_a_login_with_the_same_device_keeps_its_mail_and_its_transactions()
    {
        await using var server = await TestHomeserver.StartAsync();
        var alice = server.Login("@alice:hs1", "A1");
        var bob = server.Login("@bob:hs1", "B1");
        await alice.SendAsync("t1", "@bob:hs1", "B1", """{"n":1}""");

        alice = server.Login("@alice:hs1", "A1");
        bob = server.Login("@bob:hs1", "B1");
        await alice.SendAsync("t1", "@bob:hs1", "B1", """{"n":2}""");

        Assert.That((await bob.SyncAsync()).Contents, Is.EqualTo(new[] { """{"n":1}""" }));
    }

    [Test]
    public async Task D6_a_recipient_removed_after_it_was_looked_up_gets_nothing_and_neither_does_its_successor()
    {
        await using var server = await StartWithHookAsync();
        var alice = server.Login("@alice:hs1", "A1");
        server.Login("@bob:hs1", "B1");
        var carol = server.Login("@carol:hs1", "C1");
        Hook(server).AfterFirstLookUp = () => server.LogoutAsync("@bob:hs1", "B1");

        var response = await alice.PutAsync("m.test", "t1", """{"messages":{"@bob:hs1":{"*":{}},"@carol:hs1":{"C1":{}}}}""");

        response.ShouldBeAccepted();
        Assert.That((await server.Login("@bob:hs1", "B1").SyncAsync()).Events, Is.Empty);
        Assert.That((await carol.SyncAsync()).Events, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task D6_a_sender_removed_in_the_middle_of_its_send_is_told_that_its_token_is_void()
    {
        await using var server = await StartWithHookAsync();
        var alice = server.Login("@alice:hs1", "A1");
        var bob = server.Login("@bob:hs1", "B1");
        Hook(server).AfterFirstLookUp = () => server.LogoutAsync("@alice:hs1", "A1");

        (await alice.SendAsync("t1", "@bob:hs1", "B1", """{"life":1}""")).ShouldBe(401, "M_UNKNOWN_TOKEN");

        Assert.That((await bob.SyncAsync()).Events, Is.Empty);
        alice = server.Login("@alice:hs1", "A1");
        await alice.SendAsync("t1", "@bob:hs1", "B1", """{"life":2}""");
        Assert.That((await bob.SyncAsync()).Contents, Is.EqualTo(new[] { """{"life":2}""" }), "no record of the earlier life is left");
    }

    [Test]
    public async Task D6_a_removal_of_an_unrelated_device_does_not_disturb_a_send()
    {
        await using var server = await StartWithHookAsync();
        var alice = server.Login("@alice:hs1", "A1");
        var bob = server.Login("@bob:hs1", "B1");
        server.Login("@carol:hs1", "C1");
        var hook = Hook(server);
        hook.AfterFirstLookUp = () => server.LogoutAsync("@carol:hs1", "C1");

        (await alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();

        Assert.That(hook.LookUps, Is.EqualTo(1));
        Assert.That((await bob.SyncAsync()).Events, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task D3_a_send_whose_devices_are_removed_again_and_again_is_given_up_with_503()
    {
        await using var server = await StartWithHookAsync();
        var alice = server.Login("@alice:hs1", "A1");
        server.Login("@bob:hs1", "B1");
        Hook(server).AfterEachLookUp = async () =>
        {
            await server.LogoutAsync("@bob:hs1", "B1");
            server.Devices.Add("@bob:hs1", "B1");
        };

        (await alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBe(503, "M_UNKNOWN");

        Hook(server).AfterEachLookUp = () => Task.CompletedTask;
        (await alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();
        Assert.That((await server.Login("@bob:hs1", "B1").SyncAsync()).Events, Has.Count.EqualTo(1));
    }

    private static Task<TestHomeserver> StartWithHookAsync() => TestHomeserver.StartAsync(builder =>
    {
        builder.Services.AddSingleton(provider => new HookedDirectory(provider.GetRequiredService<TestDevices>()));
        builder.Services.Replace(ServiceDescriptor.Singleton<IDeviceDirectory>(provider => provider.GetRequiredService<HookedDirectory>()));
    });

    private static HookedDirectory Hook(TestHomeserver server) => server.Services.GetRequiredService<HookedDirectory>();

    /// <summary>The server's directory, with a place to do something just when an answer has been found.</summary>
    private sealed class HookedDirectory(TestDevices devices) : IDeviceDirectory
    {
        public Func<Task>? AfterFirstLookUp { get; set; }
        public Func<Task> AfterEachLookUp { get; set; } = () => Task.CompletedTask;
        public int LookUps { get; private set; }

        public async ValueTask<IReadOnlyList<UserDevices>> FindAsync(IReadOnlyList<string> userIds, CancellationToken cancellationToken)
        {
            var found = await devices.FindAsync(userIds, cancellationToken);
            LookUps++;
            if (AfterFirstLookUp is { } once)
            {
                AfterFirstLookUp = null;
                await once();
            }

            await AfterEachLookUp();
            return found;
        }
    }
}
