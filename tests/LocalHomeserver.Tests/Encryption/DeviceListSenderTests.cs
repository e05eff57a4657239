using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace LocalHomeserver.Tests;

/// <summary>Another server is not there for a while, or does not want to know.</summary>
internal sealed class DeviceListSenderTests
{
    private readonly ConcurrentQueue<ReceivedTransaction> _accepted = new(), _refused = new();
    private FakePeer _peer = null!;

    [SetUp]
    public async Task Start()
    {
        _peer = await FakePeer.StartAsync();
        _accepted.Clear();
        _refused.Clear();
        Answer(200);
    }

    [TearDown]
    public ValueTask Stop() => _peer.DisposeAsync();

    [TestCase("memory")]
    [TestCase("sqlite")]
    [TestCase("postgresql")]
    public async Task A_server_that_fails_is_told_when_it_works_again_and_then_no_more(string store)
    {
        await using var server = await StartAsync(store);
        var phone = await AskedForAsync(server);
        Answer(503);
        var tablet = await NewDeviceAsync(server, phone);
        await Eventually.IsAsync(() => Told(_refused, phone).Length >= 2, "It is tried again");

        Answer(200);
        await Eventually.IsAsync(() => Told(_accepted, phone).Length == 1, "It has been told");
        await tablet.LogoutAsync();
        await Eventually.IsAsync(() => Told(_accepted, phone).Length == 2, "It has been told the next change");

        var told = Told(_accepted, phone);
        Assert.That(told.Select(update => update.TryGetProperty("deleted", out _)), Is.EqualTo(new[] { false, true }));
        Assert.That(told[1].GetProperty("prev_id").EnumerateArray().Single().GetInt64(), Is.EqualTo(told[0].GetProperty("stream_id").GetInt64()));
    }

    [TestCase("sqlite")]
    [TestCase("postgresql")]
    public async Task It_is_told_after_a_restart_too(string store)
    {
        var data = store == "sqlite" ? Directory.CreateTempSubdirectory("local-homeserver-tests-").FullName : PostgreSql.NewDatabase();
        TestDevice phone;
        await using (var server = await StartAsync(store, data))
        {
            phone = await AskedForAsync(server);
            Answer(503);
            await NewDeviceAsync(server, phone);
            await Eventually.IsAsync(() => Told(_refused, phone).Length > 0, "It is tried");
        }

        Answer(200);
        await using (await StartAsync(store, data))
            await Eventually.IsAsync(() => Told(_accepted, phone).Length > 0, "It has been told");
        if (store == "sqlite") Directory.Delete(data, recursive: true);
    }

    [TestCase(400)]
    [TestCase(413)]
    public async Task What_a_server_refuses_does_not_hold_up_what_comes_later(int status)
    {
        await using var server = await StartAsync("memory");
        var phone = await AskedForAsync(server);
        Answer(status);
        var tablet = await NewDeviceAsync(server, phone);
        await Eventually.IsAsync(() => Told(_refused, phone).Length > 0, "It is told");

        Answer(200);
        await tablet.LogoutAsync();
        await Eventually.IsAsync(
            () => Told(_accepted, phone).Any(update => update.TryGetProperty("deleted", out _)), "It has been told the next change");
    }

    [Test]
    public async Task More_changes_than_fit_into_one_transaction_are_all_told()
    {
        await using var server = await StartAsync("memory");
        Answer(503);
        var phones = new List<TestDevice>();
        for (var n = 0; n < 120; n++) phones.Add(await AskedForAsync(server));
        await Task.WhenAll(phones.Select(phone => NewDeviceAsync(server, phone)));

        Answer(200);
        foreach (var phone in phones) await Eventually.IsAsync(() => Told(_accepted, phone).Length > 0, "It has been told");

        Assert.That(_peer.Received.Max(transaction => transaction.Edus.Length), Is.LessThanOrEqualTo(100));
    }

    [TestCase("memory")]
    [TestCase("postgresql", Category = "Slow")]
    public async Task A_server_is_not_told_what_it_knows(string store)
    {
        await using var server = await StartAsync(store);
        var phone = await AskedForAsync(server);
        var key = TestKeys.NewKey(phone);
        var (keys, identity) = (TestKeys.DeviceKeys(phone, key), TestIdentity.Of(phone));
        Func<Task<Reply>>[] changes =
        [
            () => phone.TryUploadAsync(keys),
            () => phone.CallAsync("POST", "/keys/device_signing/upload", identity.Upload(phone.PasswordAuth())),
            () => phone.TrySignAsync(phone.UserId, "PHONE", TestKeys.SignAnew(keys, phone.UserId, identity.SelfSigning)),
            () => phone.CallAsync("PUT", "/devices/PHONE", new { display_name = "Phone" }),
        ];
        foreach (var change in changes) (await change()).Ok();
        var tablet = await NewDeviceAsync(server, phone);
        await Eventually.IsAsync(() => Told(_accepted, phone).Length == 1, "It has been told all of that");
        _accepted.Clear();

        foreach (var change in changes) (await change()).Ok();
        (await phone.CallAsync("PUT", "/devices/PHONE", "{}")).Ok();
        await tablet.LogoutAsync();
        await Eventually.IsAsync(() => Told(_accepted, phone).Length == 1, "It has been told the next change");

        // The user's master key goes with every change of a list.
        Assert.That(
            _accepted.SelectMany(transaction => transaction.Edus).Select(edu => edu.String("edu_type")),
            Is.EquivalentTo(new[] { "m.signing_key_update", "m.device_list_update" }));
    }

    [TestCase(400)]
    [TestCase(413)]
    public async Task What_a_server_refuses_of_one_user_keeps_no_other_from_being_told(int status)
    {
        await using var server = await StartAsync("memory");
        Answer(503);
        var phones = new List<TestDevice>();
        for (var n = 0; n < 5; n++) phones.Add(await AskedForAsync(server));
        foreach (var phone in phones) await NewDeviceAsync(server, phone);
        var refused = phones[2];

        _peer.Answer = transaction =>
        {
            var isRefused = Told([transaction], refused).Length > 0;
            if (!isRefused) _accepted.Enqueue(transaction);
            return Task.FromResult(isRefused ? Results.StatusCode(status) : FakePeer.Ok);
        };

        foreach (var phone in phones.Where(phone => phone != refused))
            await Eventually.IsAsync(() => Told(_accepted, phone).Length > 0, "It has been told");
    }

    /// <summary>A later change that has nothing to tell by itself: a device without keys begins.</summary>
    [TestCase("memory")]
    [TestCase("sqlite")]
    [TestCase("postgresql")]
    public async Task A_device_without_keys_hides_no_change_of_another_one(string store)
    {
        await using var server = await StartAsync(store);
        var phone = await AskedForAsync(server);
        Answer(503);
        var tablet = await NewDeviceAsync(server, phone);
        await server.LoginAsync(phone.UserId, "WITHOUT1");
        Answer(200);
        await Eventually.IsAsync(() => Told(_accepted, phone).Length > 0, "It has been told that a device began");

        _accepted.Clear();
        Answer(503);
        await tablet.LogoutAsync();
        await server.LoginAsync(phone.UserId, "WITHOUT2");
        Answer(200);
        await Eventually.IsAsync(() => Told(_accepted, phone).Length > 0, "It has been told that a device ended");

        Assert.That(Told(_accepted, phone)[^1].GetProperty("device_id").GetString(), Is.EqualTo("TABLET"));
        Assert.That(Told(_accepted, phone)[^1].GetProperty("deleted").GetBoolean(), Is.True);
    }

    [Test]
    public async Task A_server_that_asked_for_nobody_is_told_nothing()
    {
        await using var server = await StartAsync("memory");
        var stranger = await server.RegisterAsync("PHONE");
        await stranger.UploadIdentityAsync();
        var phone = await AskedForAsync(server);
        await NewDeviceAsync(server, phone);
        await Eventually.IsAsync(() => Told(_accepted, phone).Length > 0, "It has been told");

        Assert.That(_peer.Received.Select(transaction => transaction.Text), Has.None.Contains(stranger.UserId));
    }

    private Task<Homeserver> StartAsync(string store, string? data = null)
    {
        var settings = new List<string>
        {
            "--ServerName", "hs1.localhost", "--Federation:Peers:hs2.localhost", _peer.Url, "--Federation:MaxPause", "00:00:00.100",
        };
        if (store == "sqlite" && data is not null) settings.AddRange(["--Data", data]);
        else if (data is not null) settings.AddRange([PostgreSql.Setting, data]);
        return Homeserver.StartAsync(store, [.. settings]);
    }

    /// <summary>A device of a user for whose keys the other server has asked.</summary>
    private async Task<TestDevice> AskedForAsync(Homeserver server)
    {
        var phone = await server.RegisterAsync("PHONE");
        await phone.UploadIdentityAsync();
        const string Uri = "/_matrix/federation/v1/user/keys/query";
        var body = $$$"""{"device_keys":{"{{{phone.UserId}}}":[]}}""";
        (await _peer.SendAsync(server, Uri, _peer.Sign(Uri, body, method: "POST").ToString(), body, "POST")).Ok();
        return phone;
    }

    private static async Task<TestDevice> NewDeviceAsync(Homeserver server, TestDevice phone)
    {
        var tablet = await server.LoginAsync(phone.UserId, "TABLET");
        await tablet.UploadIdentityAsync();
        return tablet;
    }

    private void Answer(int status) => _peer.Answer = transaction =>
    {
        (status == 200 ? _accepted : _refused).Enqueue(transaction);
        return Task.FromResult(status == 200 ? FakePeer.Ok : Results.StatusCode(status));
    };

    /// <summary>What it was told about all devices of a user but the first.</summary>
    private static JsonElement[] Told(IEnumerable<ReceivedTransaction> transactions, TestDevice phone) =>
    [
        .. transactions.SelectMany(transaction => transaction.Edus)
            .Where(edu => edu.String("edu_type") == "m.device_list_update")
            .Select(edu => edu.GetProperty("content"))
            .Where(content => content.String("user_id") == phone.UserId && content.String("device_id") != phone.DeviceId),
    ];
}
