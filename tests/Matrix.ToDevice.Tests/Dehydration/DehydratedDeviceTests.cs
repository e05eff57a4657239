using System.Buffers.Binary;
using System.Buffers.Text;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>Tests in which Alice's device A1 sends to Bob's dehydrated device, and Bob's device B1 reads what came.</summary>
public abstract class DehydratedDeviceTests
{
    private protected const string Prefix = "/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device/";

    /// <summary>Bob's dehydrated device.</summary>
    private protected const string Dehydrated = "DEHYDRATED";

    private protected TestHomeserver Server { get; private set; } = null!;
    private protected TestClient Alice { get; private set; } = null!;
    private protected TestClient Bob { get; private set; } = null!;
    private protected TestDehydratedDevices List => Server.Services.GetRequiredService<TestDehydratedDevices>();

    private int _sent;

    [SetUp]
    public async Task StartAsync()
    {
        _sent = 0;
        Server = await TestHomeserver.StartAsync(
            builder =>
            {
                builder.Services.AddSingleton<TestDehydratedDevices>();
                builder.Services.AddSingleton<IDehydratedDevices>(provider => provider.GetRequiredService<TestDehydratedDevices>());
                HookedInbox.Add(builder);
                Configure(builder);
            },
            app =>
            {
                app.MapSendToDevice();
                app.MapToDeviceSync();
                app.MapDehydratedDeviceEvents();
            });
        Alice = Server.Login("@alice:hs1", "A1");
        Bob = Server.Login("@bob:hs1", "B1");
        Begin("@bob:hs1", Dehydrated);
    }

    [TearDown]
    public async Task StopAsync() => await Server.DisposeAsync();

    private protected virtual void Configure(ISendToDeviceBuilder builder)
    {
    }

    /// <summary>A user gets a dehydrated device, which others can send to.</summary>
    private protected void Begin(string userId, string deviceId)
    {
        Server.Devices.Add(userId, deviceId);
        List.Set(userId, deviceId);
    }

    /// <summary>Alice sends messages to Bob's dehydrated device; the result is their contents.</summary>
    private protected async Task<IReadOnlyList<string>> SendAsync(int messages, string deviceId = Dehydrated, string text = "")
    {
        var contents = Enumerable.Range(0, messages).Select(_ => $$"""{"n":{{++_sent}}.0,"text":"{{text}}"}""").ToList();
        foreach (var content in contents)
            (await Alice.SendAsync(Guid.NewGuid().ToString("N"), "@bob:hs1", deviceId, content, "m.room.encrypted")).ShouldBeAccepted();
        return contents;
    }

    private protected static string PathOf(string deviceId) => $"{Prefix}{deviceId}/events";

    private protected async Task<Page> GetAsync(string? from = null, string deviceId = Dehydrated) => Page.Read(
        await Bob.SendAsync(HttpMethod.Get, PathOf(deviceId) + (from is null ? "" : $"?from={Uri.EscapeDataString(from)}")));

    private protected async Task<Page> PostAsync(string? nextBatch = null, string deviceId = Dehydrated) => Page.Read(
        await PostBodyAsync(nextBatch is null ? "{}" : $$"""{"next_batch":"{{nextBatch}}"}""", deviceId));

    private protected Task<TestResponse> PostBodyAsync(string body, string deviceId = Dehydrated) =>
        Bob.SendAsync(HttpMethod.Post, PathOf(deviceId), new ByteArrayContent(Encoding.Latin1.GetBytes(body)));

    /// <summary>The contents of all pages, as a client reads them by GET. It gives up when there is no end.</summary>
    private protected async Task<IReadOnlyList<string>> ReadAllAsync()
    {
        var page = await GetAsync();
        var pages = new List<Page> { page };
        while (page.NextBatch is not null && pages.Count < 20) pages.Add(page = await GetAsync(page.NextBatch));
        return [.. pages.SelectMany(one => one.Contents)];
    }

    /// <summary>A token with another number or another send: of a message that the store has forgotten, or never had.</summary>
    private protected static string Forge(string token, Func<long, long> sequence, Func<long, long> sendId)
    {
        var bytes = Base64Url.DecodeFromChars(token.AsSpan(1));
        BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(8), sequence(BinaryPrimitives.ReadInt64BigEndian(bytes.AsSpan(8))));
        BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(16), sendId(BinaryPrimitives.ReadInt64BigEndian(bytes.AsSpan(16))));
        return token[0] + Base64Url.EncodeToString(bytes);
    }

    /// <summary>A response.</summary>
    private protected sealed record Page(IReadOnlyList<string> Contents, string? NextBatch, string Body)
    {
        public static Page Read(TestResponse response)
        {
            Assert.That(response.Status, Is.EqualTo(200), response.Body);
            Assert.That(response.Headers["Content-Type"], Is.EqualTo("application/json"));
            using var json = JsonDocument.Parse(response.Body);
            return new Page(
                [.. json.RootElement.GetProperty("events").EnumerateArray().Select(message => message.GetProperty("content").GetRawText())],
                json.RootElement.TryGetProperty("next_batch", out var nextBatch) ? nextBatch.GetString() : null,
                response.Body);
        }
    }
}
