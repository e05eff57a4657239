using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace LocalHomeserver.Tests;

/// <summary>Keys that are the same in every run, so that an input can be made again.</summary>
internal static class FuzzKeys
{
    private const string SignerId = "@fuzz-signer:hs1.localhost", OtherId = "@fuzz-other:hs1.localhost";

    /// <summary>With which the peers sign.</summary>
    public static SigningKey Peer { get; } = Of("peer") with { KeyId = "ed25519:peer" };

    /// <summary>The user who is bystander to everything, and whose keys nothing may change.</summary>
    public static JsonObject OtherDevice { get; } = Device(OtherId, "OTHER");

    public static TestIdentity Other { get; } = Identity(OtherId);

    public static JsonObject SignerDevice { get; } = Device(SignerId, "SIGNER");

    public static TestIdentity Signer { get; } = Identity(SignerId);

    /// <summary>The signer signs the own device, the own master key and the other's.</summary>
    public static JsonObject Signatures { get; } = new()
    {
        [SignerId] = new JsonObject
        {
            ["SIGNER"] = TestKeys.SignAnew(SignerDevice, SignerId, Signer.SelfSigning),
            [Signer.Master.PublicKey()] = TestKeys.SignAnew(Signer.MasterKey, SignerId, Of("SIGNER") with { KeyId = "ed25519:SIGNER" }),
        },
        [OtherId] = new JsonObject { [Other.Master.PublicKey()] = TestKeys.SignAnew(Other.MasterKey, SignerId, Signer.UserSigning) },
    };

    /// <summary>What a peer says about a user of its own, who is named after an input.</summary>
    public static JsonObject QueryAnswer(string userId)
    {
        var identity = Identity(userId);
        return new JsonObject
        {
            ["device_keys"] = new JsonObject { [userId] = new JsonObject { ["BOB"] = Device(userId, "BOB") } },
            ["master_keys"] = new JsonObject { [userId] = identity.MasterKey },
            ["self_signing_keys"] = new JsonObject { [userId] = TestKeys.CrossSigningKey(userId, "self_signing", identity.SelfSigning, identity.Master) },
        };
    }

    /// <summary>What a peer says about its keys.</summary>
    public static JsonObject Document(string serverName)
    {
        var document = new JsonObject
        {
            ["server_name"] = serverName,
            ["valid_until_ts"] = (TimeProvider.System.GetUtcNow() + TimeSpan.FromDays(1000)).ToUnixTimeMilliseconds(),
            ["verify_keys"] = new JsonObject { [Peer.KeyId] = new JsonObject { ["key"] = Peer.PublicKey() } },
            ["old_verify_keys"] = new JsonObject { ["ed25519:old"] = new JsonObject { ["expired_ts"] = 1, ["key"] = Peer.PublicKey() } },
        };
        SignedJson.Sign(document, serverName, Peer);
        return document;
    }

    private static JsonObject Device(string userId, string deviceId)
    {
        var key = Of(deviceId) with { KeyId = $"ed25519:{deviceId}" };
        var device = new JsonObject
        {
            ["user_id"] = userId,
            ["device_id"] = deviceId,
            ["algorithms"] = new JsonArray("m.olm.v1.curve25519-aes-sha2"),
            ["keys"] = new JsonObject { [key.KeyId] = key.PublicKey() },
        };
        SignedJson.Sign(device, userId, key);
        return device;
    }

    private static TestIdentity Identity(string userId) =>
        new(userId, Of($"{userId} master"), Of($"{userId} self_signing"), Of($"{userId} user_signing"));

    private static SigningKey Of(string name)
    {
        var key = new SigningKey("", SHA256.HashData(Encoding.UTF8.GetBytes(name)));
        return key with { KeyId = $"ed25519:{key.PublicKey()}" };
    }
}
