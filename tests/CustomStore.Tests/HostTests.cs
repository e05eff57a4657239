using System.Data.Common;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Matrix.ToDevice;
using Matrix.ToDevice.Tests;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace CustomStore.Tests;

/// <summary>The homeserver's own rows and those of the store are one transaction (D4, D6).</summary>
public class HostTests
{
    private static readonly DeviceAddress s_alice = new("@alice:hs1", "PHONE");
    private static readonly DeviceAddress s_bob = new("@bob:hs1", "LAPTOP");
    private static readonly DeviceAddress s_bobsOther = new("@bob:hs1", "TABLET");

    private WebApplication _app = null!;
    private HttpClient _http = null!;

    [SetUp]
    public async Task StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        Homeserver.AddServices(builder.Services, TestFolder.NewDatabase());
        _app = builder.Build();
        Homeserver.MapEndpoints(_app);
        await Homeserver.CreateDatabaseAsync(_app.Services, default);
        await using var db = NewContext();
        foreach (var userId in (string[])[s_alice.UserId, s_bob.UserId]) db.Add(new User { UserId = userId });
        foreach (var device in (DeviceAddress[])[s_alice, s_bob, s_bobsOther]) db.Add(NewDevice(device));
        await db.SaveChangesAsync();
        await _app.StartAsync();
        _http = new HttpClient { BaseAddress = new Uri(_app.Urls.Single()) };
    }

    [TearDown]
    public async Task StopAsync()
    {
        _http.Dispose();
        await _app.DisposeAsync();
    }

    [Test]
    public async Task A_send_is_delivered_and_logged_once()
    {
        Assert.That(await SendAsync(s_alice, "t1", s_bob), Is.EqualTo(HttpStatusCode.OK));
        Assert.That(await SendAsync(s_alice, "t1", s_bob), Is.EqualTo(HttpStatusCode.OK), "R41");

        Assert.That(await EventsAsync(s_bob), Is.EqualTo(1));
        await using var db = NewContext();
        var log = await db.SendLog.SingleAsync();
        Assert.That((log.UserId, log.EventType, log.Messages), Is.EqualTo((s_alice.UserId, "m.dummy", 1)));
    }

    [Test]
    public async Task When_the_homeservers_own_row_cannot_be_written_the_send_has_not_happened()
    {
        await using (var db = NewContext())
            await db.Database.ExecuteSqlAsync($"CREATE TRIGGER full BEFORE INSERT ON SendLog BEGIN SELECT RAISE(ABORT, 'no'); END");
        Assert.That(await SendAsync(s_alice, "t1", s_bob), Is.EqualTo(HttpStatusCode.ServiceUnavailable), "D3");
        Assert.That(await EventsAsync(s_bob), Is.Zero);

        await using (var db = NewContext()) await db.Database.ExecuteSqlAsync($"DROP TRIGGER full");
        Assert.That(await SendAsync(s_alice, "t1", s_bob), Is.EqualTo(HttpStatusCode.OK));
        Assert.That(await EventsAsync(s_bob), Is.EqualTo(1));
    }

    [Test]
    public async Task A_logout_deletes_the_homeservers_device_with_its_inbox()
    {
        await SendAsync(s_alice, "t1", s_bob, s_bobsOther);
        await Homeserver.LogoutAsync(_app.Services.GetRequiredService<ToDeviceSync>(), s_bob, default);

        Assert.That(await SendAsync(s_bob, "t1", s_alice), Is.EqualTo(HttpStatusCode.Unauthorized));
        Assert.That(await EventsAsync(s_bobsOther), Is.EqualTo(1), "the user's other device has nothing to do with it");
        await using var db = NewContext();
        db.Add(NewDevice(s_bob));
        await db.SaveChangesAsync();
        Assert.That(await EventsAsync(s_bob), Is.Zero, "D6: a later device starts empty");
    }

    [Test]
    public async Task A_deactivation_ends_all_devices_of_the_user()
    {
        await SendAsync(s_alice, "t1", s_bobsOther);
        using var waiting = WaitingSyncs.Of(_app.Services);
        var poll = _app.Services.GetRequiredService<ToDeviceSync>().NextAsync(s_bob, null, TimeSpan.FromHours(1), default).AsTask();
        await waiting.ReachesAsync(1);
        await using (var db = NewContext())
        {
            await Homeserver.DeactivateAsync(
                db, _app.Services.GetRequiredService<EntityFrameworkStore>(), _app.Services.GetRequiredService<IInboxSignals>(), s_bob.UserId, default);
        }

        using (var batch = await poll.WaitAsync(TimeLimit.OfOneWait)) Assert.That(batch.Events, Is.Empty, "D6: a long poll ends with its device");
        await waiting.ReachesAsync(0);
        await using var after = NewContext();
        Assert.That((await after.Users.FindAsync(s_bob.UserId))!.Deactivated);
        Assert.That(await after.Devices.Select(device => device.UserId).ToListAsync(), Is.EqualTo(new[] { s_alice.UserId }));
        Assert.That(await after.Messages.CountAsync(), Is.Zero);
        Assert.That(await SendAsync(s_alice, "t2", s_bob), Is.EqualTo(HttpStatusCode.OK), "R28: nobody learns who exists");
        Assert.That(await after.Messages.CountAsync(), Is.Zero);
    }

    [Test]
    public async Task A_removal_in_a_transaction_that_is_rolled_back_has_not_happened()
    {
        await SendAsync(s_alice, "t1", s_bob);
        var store = _app.Services.GetRequiredService<EntityFrameworkStore>();
        await using (var db = NewContext())
        {
            await using var transaction = await db.Database.BeginTransactionAsync();
            await store.RemoveDeviceAsync(db, s_bob);
        }

        Assert.That(await EventsAsync(s_bob), Is.EqualTo(1));
    }

    [Test]
    public async Task A_removal_in_a_transaction_of_the_host_refuses_a_send_that_was_under_way()
    {
        var store = _app.Services.GetRequiredService<EntityFrameworkStore>();
        var key = new TransactionKey(s_alice.UserId, s_alice.DeviceId, TransactionKey.SendToDevice, "m.dummy", "t1");
        await using var open = await store.BeginAsync(key, store.KnownRemovals, default);
        await store.AppendAsync(open!, [new ToDeviceMessage(s_bob, s_alice.UserId, "m.dummy", "{}"u8.ToArray(), 1)], default);
        await using (var db = NewContext())
        {
            await using var transaction = await db.Database.BeginTransactionAsync();
            await store.RemoveDeviceAsync(db, s_bob);
            await transaction.CommitAsync();
        }

        Assert.That(await open!.CommitAsync(default), Is.EqualTo(CommitResult.DeviceRemoved));
        Assert.That(store.KnownRemovals, Is.EqualTo(1), "the refusal has taught it");
    }

    [Test]
    public async Task While_somebody_else_keeps_the_write_lock_a_send_fails_and_its_retry_runs()
    {
        await using var db = NewContext();
        var services = new ServiceCollection();
        Homeserver.AddServices(services, $"{db.Database.GetConnectionString()};Default Timeout=1");
        await using var provider = services.BuildServiceProvider();
        var store = provider.GetRequiredService<EntityFrameworkStore>();
        await using (var transaction = await db.Database.BeginTransactionAsync())
        {
            Assert.That(CommitAsync, Throws.InstanceOf<DbException>(), "the client is answered 503 (D3)");
            Assert.That(await EventsAsync(s_bob), Is.Zero, "readers do not wait");
        }

        Assert.That(await CommitAsync(), Is.EqualTo(CommitResult.Committed));
        Assert.That(await EventsAsync(s_bob), Is.EqualTo(1));

        async Task<CommitResult> CommitAsync()
        {
            var key = new TransactionKey(s_alice.UserId, s_alice.DeviceId, TransactionKey.SendToDevice, "m.dummy", "t1");
            await using var open = await store.BeginAsync(key, store.KnownRemovals, default);
            await store.AppendAsync(open!, [new ToDeviceMessage(s_bob, s_alice.UserId, "m.dummy", "{}"u8.ToArray(), 1)], default);
            return await open!.CommitAsync(default);
        }
    }

    [Test]
    public async Task A_context_of_the_host_that_lives_long_removes_device_after_device()
    {
        var store = _app.Services.GetRequiredService<EntityFrameworkStore>();
        await using var db = NewContext();
        foreach (var device in (DeviceAddress[])[s_bob, s_bobsOther])
        {
            await using (var transaction = await db.Database.BeginTransactionAsync())
            {
                await store.RemoveDeviceAsync(db, device);
                await transaction.CommitAsync();
            }

            await store.RemoveDeviceAsync(s_alice, default);
        }

        Assert.That(store.KnownRemovals, Is.EqualTo(4));
    }

    [Test]
    public void A_removal_outside_of_a_transaction_is_refused()
    {
        using var db = NewContext();
        Assert.That(
            async () => await _app.Services.GetRequiredService<EntityFrameworkStore>().RemoveDeviceAsync(db, s_bob),
            Throws.InvalidOperationException.With.Message.Contains("Begin a transaction"));
    }

    /// <summary>What no case of the kit can try out: that a commit waits for the disk.</summary>
    [TestCase("synchronous", "2")]
    [TestCase("journal_mode", "wal")]
    public async Task The_database_is_set_to_lose_nothing(string pragma, string value)
    {
        await using var db = NewContext();
        await db.Database.OpenConnectionAsync();
        await using var command = db.Database.GetDbConnection().CreateCommand();
        command.CommandText = $"PRAGMA {pragma}";
        Assert.That((await command.ExecuteScalarAsync())!.ToString(), Is.EqualTo(value));
    }

    /// <summary>Nobody has heard of them, and what waited for them is given up: by whoever has taken them, or has not, or has died since.</summary>
    [Test]
    public async Task Of_destinations_whose_EDUs_are_given_up_no_row_is_left()
    {
        string[] names = ["made-up1", "made-up2", "made-up3"];
        var (transactions, outbox) = (_app.Services.GetRequiredService<ITransactionStore>(), _app.Services.GetRequiredService<IFederationOutbox>());
        var key = new TransactionKey(s_alice.UserId, s_alice.DeviceId, TransactionKey.SendToDevice, "m.test", "t1");
        await using (var send = (await transactions.BeginAsync(key, 0, default))!)
        {
            await outbox.AppendAsync(send, [.. names.Select(name => new OutboundEdu(name, "m1", "{}"u8.ToArray()))], default);
            await send.CommitAsync(default);
        }

        var hour = TimeSpan.FromHours(1);
        await outbox.RemoveAsync(names[0], await outbox.ReadAsync(names[0], 0, 10, default), default);
        await outbox.AcquireAsync("one", hour, 1, 1, hour, default);
        await outbox.AcquireAsync("dies", TimeSpan.Zero, 1, 1, hour, default);
        foreach (var name in names[1..])
        {
            await outbox.RemoveAsync(name, await outbox.ReadAsync(name, 0, 10, default), default);
            await outbox.ReleaseAsync(name, "one", 3, hour, default);
        }

        await using var db = NewContext();
        Assert.That(await db.Destinations.CountAsync(), Is.EqualTo(1), "of whom nobody knows yet that its holder is dead");
        Assert.That(await outbox.AcquireAsync("one", hour, 10, 10, hour, default), Is.Empty);
        Assert.That(await db.Destinations.CountAsync(), Is.Zero);
    }

    private HomeserverDb NewContext() => _app.Services.GetRequiredService<IDbContextFactory<HomeserverDb>>().CreateDbContext();

    private static Device NewDevice(DeviceAddress device) =>
        new() { UserId = device.UserId, DeviceId = device.DeviceId, AccessToken = $"{device.UserId} {device.DeviceId}" };

    private async Task<HttpStatusCode> SendAsync(DeviceAddress sender, string txnId, params DeviceAddress[] recipients)
    {
        var messages = recipients.GroupBy(recipient => recipient.UserId).ToDictionary(
            user => user.Key, user => user.ToDictionary(device => device.DeviceId, _ => new { n = 1 }));
        using var request = Request(sender, HttpMethod.Put, $"sendToDevice/m.dummy/{txnId}");
        request.Content = JsonContent.Create(new { messages });
        using var response = await _http.SendAsync(request);
        return response.StatusCode;
    }

    private async Task<int> EventsAsync(DeviceAddress device)
    {
        using var request = Request(device, HttpMethod.Get, "sync");
        using var response = await _http.SendAsync(request);
        using var body = JsonDocument.Parse(await response.EnsureSuccessStatusCode().Content.ReadAsStringAsync());
        return body.RootElement.TryGetProperty("to_device", out var toDevice) ? toDevice.GetProperty("events").GetArrayLength() : 0;
    }

    private static HttpRequestMessage Request(DeviceAddress device, HttpMethod method, string path)
    {
        var request = new HttpRequestMessage(method, $"/_matrix/client/v3/{path}");
        request.Headers.Authorization = new("Bearer", $"{device.UserId} {device.DeviceId}");
        return request;
    }
}
