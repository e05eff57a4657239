using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>How the messages of a dehydrated device are read, page by page.</summary>
public class DehydratedPageTests : DehydratedDeviceTests
{
    private const int Limit = 3;
    private const int MaxBytes = 1000;

    private protected override void Configure(ISendToDeviceBuilder builder) => builder.Services.Configure<SendToDeviceOptions>(options =>
        (options.SyncLimit, options.SyncMaxBytes) = (Limit, MaxBytes));

    [TestCase(0, new[] { 0 })]
    [TestCase(2, new[] { 2 })]
    [TestCase(3, new[] { 3 })]
    [TestCase(4, new[] { 3, 1 })]
    [TestCase(7, new[] { 3, 3, 1 })]
    [TestCase(9, new[] { 3, 3, 3 })]
    public async Task R110_a_GET_has_a_next_batch_if_and_only_if_there_are_more(int messages, int[] pages)
    {
        var contents = await SendAsync(messages);

        var page = await GetAsync();
        var read = new List<Page> { page };
        while (page.NextBatch is not null && read.Count < 9) read.Add(page = await GetAsync(page.NextBatch));

        Assert.That(read.Select(one => one.Contents.Count), Is.EqualTo(pages));
        Assert.That(read.SelectMany(one => one.Contents), Is.EqualTo(contents));
        Assert.That(read[^1].Body, Does.Not.Contain("next_batch"));
    }

    [TestCase(0, new[] { 0 })]
    [TestCase(3, new[] { 3, 0 })]
    [TestCase(7, new[] { 3, 3, 1, 0 })]
    public async Task R110_a_POST_of_the_older_draft_has_a_next_batch_always_and_ends_with_no_events(int messages, int[] pages)
    {
        var contents = await SendAsync(messages);

        var page = await PostAsync();
        var read = new List<Page> { page };
        while (page.Contents.Count > 0 && read.Count < 9) read.Add(page = await PostAsync(page.NextBatch));

        Assert.That(read.Select(one => one.Contents.Count), Is.EqualTo(pages));
        Assert.That(read.SelectMany(one => one.Contents), Is.EqualTo(contents));
        Assert.That(read.Select(one => one.NextBatch), Has.None.Null);
    }

    [Test]
    public async Task R110_what_comes_after_the_last_page_is_behind_its_token()
    {
        await SendAsync(1);
        var last = await PostAsync();
        var later = await SendAsync(5);

        var next = await GetAsync(last.NextBatch);

        Assert.That(next.Contents, Is.EqualTo(later.Take(3)));
        Assert.That((await PostAsync(next.NextBatch)).Contents, Is.EqualTo(later.Skip(3)));
    }

    [Test]
    public async Task R110_R30_R31_events_are_as_in_sync()
    {
        await SendAsync(1);

        Assert.That((await GetAsync()).Body, Is.EqualTo(
            """{"events":[{"sender":"@alice:hs1","type":"m.room.encrypted","content":{"n":1.0,"text":""}}]}"""));
    }

    [Test]
    public async Task R110_D19_pages_end_at_SyncMaxBytes_and_a_larger_message_comes_alone()
    {
        var contents = new List<string>();
        foreach (var length in (int[])[600, 200, 200, 5000, 5000, 1, 5000, 990, 1])
            contents.AddRange(await SendAsync(1, text: new string('x', length)));

        Assert.That(await ReadAllAsync(), Is.EqualTo(contents));
        Assert.That((await GetAsync()).Contents, Has.Count.EqualTo(2));
    }

    [Test]
    public async Task R111_reading_deletes_nothing_of_earlier_pages()
    {
        var contents = await SendAsync(7);
        var first = await GetAsync();
        var second = await GetAsync(first.NextBatch);
        var third = await GetAsync(second.NextBatch);

        Assert.That((await GetAsync(first.NextBatch)).Contents, Is.EqualTo(second.Contents), "the same token again");
        Assert.That((await PostAsync(second.NextBatch)).Contents, Is.EqualTo(third.Contents));
        Assert.That(await ReadAllAsync(), Is.EqualTo(contents), "another device from the beginning");
    }

    [Test]
    public async Task R111_nobodys_sync_deletes_it()
    {
        var contents = await SendAsync(2);
        (await Alice.SendAsync("t1", "@bob:hs1", "*")).ShouldBeAccepted();

        var sync = await Bob.SyncAsync();
        Assert.That((await Bob.SyncAsync(sync.NextBatch)).Events, Is.Empty);

        Assert.That(await ReadAllAsync(), Is.EqualTo([.. contents, "{}"]));
    }

    [TestCase(0, false, Description = "the number is another message's now")]
    [TestCase(1, true)]
    [TestCase(1, false)]
    [TestCase(1000, true)]
    public async Task D11_a_token_whose_message_the_store_has_forgotten_skips_nothing(int ahead, bool isSameSend)
    {
        var contents = await SendAsync(7);
        var token = (await GetAsync((await GetAsync()).NextBatch)).NextBatch!;

        var from = Forge(token, sequence => sequence + ahead, sendId => isSameSend ? sendId : sendId ^ 1);

        Assert.That((await GetAsync(from)).Contents, Is.EqualTo(contents.Take(Limit)), "begins again");
        Assert.That((await PostAsync(from)).Contents, Is.EqualTo(contents.Take(Limit)));
    }

    [Test]
    public async Task D11_a_forgotten_token_of_an_inbox_that_is_empty_now_begins_again()
    {
        await SendAsync(1);
        var token = (await PostAsync()).NextBatch;
        await Server.ToDevice.RemoveDeviceAsync(new DeviceAddress("@bob:hs1", Dehydrated), default);

        var page = await PostAsync(token);
        Assert.That(page.Contents, Is.Empty);
        var contents = await SendAsync(2);

        Assert.That((await PostAsync(page.NextBatch)).Contents, Is.EqualTo(contents));
        Assert.That((await PostAsync(token)).Contents, Is.EqualTo(contents));
    }

    [Test]
    public async Task D11_what_is_not_a_token_of_the_device_is_refused()
    {
        await SendAsync(1);
        (await Alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();
        var token = (await PostAsync()).NextBatch!;
        var ofAnotherDevice = (await Bob.SyncAsync()).NextBatch;

        foreach (var wrong in (string[])["garbage", "n", ofAnotherDevice, token[..^1], token + "A", Forge(token, _ => -1, sendId => sendId)])
        {
            (await Bob.SendAsync(HttpMethod.Get, $"{PathOf(Dehydrated)}?from={wrong}")).ShouldBe(400, "M_INVALID_PARAM");
            (await PostBodyAsync($$"""{"next_batch":"{{wrong}}"}""")).ShouldBe(400, "M_INVALID_PARAM");
        }

        Assert.That((await Bob.SendAsync(HttpMethod.Get, $"{PathOf(Dehydrated)}?from=")).Status, Is.EqualTo(200), "an empty one is none");
        Assert.That((await PostBodyAsync("""{"next_batch":""}""")).Status, Is.EqualTo(200));
    }

    [Test]
    public async Task R111_D6_the_messages_go_with_the_device()
    {
        await SendAsync(2);

        await Server.LogoutAsync("@bob:hs1", Dehydrated);
        Begin("@bob:hs1", Dehydrated);

        Assert.That((await GetAsync()).Contents, Is.Empty);
    }

    [Test]
    public async Task R110_a_host_with_an_endpoint_of_its_own_calls_the_service()
    {
        var contents = await SendAsync(4);
        var events = Server.Services.GetRequiredService<DehydratedDeviceEvents>();

        using var first = await events.ReadAsync("@bob:hs1", Dehydrated, null, default);
        var body = JsonSerializer.Serialize(await EventsAsync(events, "@bob:hs1", Dehydrated, first.NextBatch, default));
        Assert.That(body, Is.EqualTo(
            """{"events":[{"sender":"@alice:hs1","type":"m.room.encrypted","content":{"n":4.0,"text":""}}],"next_batch":null}"""));
        using var second = await events.ReadAsync("@bob:hs1", Dehydrated, first.NextBatch, default);

        Assert.That((first.Limited, second.Limited), Is.EqualTo((true, false)));
        Assert.That(
            first.ToEvents().Events.Concat(second.ToEvents().Events).Select(message => message.ContentJson), Is.EqualTo(contents));
        var error = Assert.ThrowsAsync<ToDeviceErrorException>(async () => await events.ReadAsync("@bob:hs1", "B1", null, default));
        Assert.That(error.Error.StatusCode, Is.EqualTo(403));
    }

    // <own-dehydrated-endpoint>
    public static async Task<object> EventsAsync(
        DehydratedDeviceEvents events, string userId, string deviceId, string? from, CancellationToken cancel)
    {
        using var batch = await events.ReadAsync(userId, deviceId, from, cancel);
        return new { events = batch.ToEvents().Events, next_batch = batch.Limited ? batch.NextBatch : null };
    }
    // </own-dehydrated-endpoint>

    [Test]
    public async Task R110_a_page_is_given_back_before_the_client_reads_it()
    {
        await SendAsync(4);
        var inbox = Server.Services.GetRequiredService<HookedInbox>();

        var first = await GetAsync();
        Assert.That(await inbox.GivenBack.WaitAsync(TimeLimit.OfOneWait), Is.True);
        await GetAsync(first.NextBatch);
        Assert.That(await inbox.GivenBack.WaitAsync(TimeLimit.OfOneWait), Is.True, "the one with the named message in front");
        await GetAsync(Forge(first.NextBatch!, sequence => sequence, sendId => sendId ^ 1));
        Assert.That(await inbox.GivenBack.WaitAsync(TimeLimit.OfOneWait), Is.True);
        Assert.That(await inbox.GivenBack.WaitAsync(TimeLimit.OfOneWait), Is.True, "the one that was looked at and the one that was sent");
    }
}
