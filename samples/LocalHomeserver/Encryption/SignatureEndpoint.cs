using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace LocalHomeserver;

/// <summary><c>POST keys/signatures/upload</c>.</summary>
internal static class SignatureEndpoint
{
    public static void MapSignatures(this IEndpointRouteBuilder client) => client.MapPost("/keys/signatures/upload", UploadAsync);

    private static async Task<SignatureResponse> UploadAsync(
        Caller caller, Body<Dictionary<string, Dictionary<string, JsonElement>>> body, KeyChanges changes, IAccountStore accounts,
        RemoteKeys remote, CancellationToken cancellationToken)
    {
        if (body.Value.Values.Any(targets => targets is null || targets.Values.Any(signed => signed.ValueKind != JsonValueKind.Object)))
            throw Errors.BadJson();

        // What the caller sees is what they have signed: their own keys, and the master keys of others.
        var seen = KeyQueryResponse.Empty();
        var byServer = remote.ByServer(body.Value.Keys);
        foreach (var userId in byServer.Local.Append(caller.UserId).Distinct())
            seen.Add(userId, await UserKeys.FindAsync(changes, accounts, userId, caller.UserId, cancellationToken), []);
        var others = byServer.Remote.SelectMany(server => server.Value).ToDictionary(userId => userId, _ => Array.Empty<string>());
        await remote.QueryAsync(byServer.Remote, others, timeout: null, caller.UserId, seen, cancellationToken);

        var signing = new Signing(caller.UserId, seen);
        var accepted = new List<(string UserId, string Target, string KeyId, string Signature)>();
        var failures = new Dictionary<string, Dictionary<string, KeyFailure>>();
        foreach (var (userId, targets) in body.Value)
        {
            foreach (var (target, signed) in targets)
            {
                if (signing.Check(userId, target, signed) is { } failure)
                {
                    if (!failures.TryGetValue(userId, out var ofUser)) failures[userId] = ofUser = [];
                    ofUser[target] = failure;
                    continue;
                }

                accepted.AddRange(signing.Valid(userId, target, signed).Select(valid => (userId, target, valid.Key, valid.Value)));
            }
        }

        if (accepted.Count > 0) await SaveAsync(changes, caller.UserId, seen.DeviceKeys[caller.UserId], accepted, cancellationToken);
        return new SignatureResponse(failures);
    }

    private static ValueTask<int> SaveAsync(
        KeyChanges changes, string signer, Dictionary<string, JsonObject> ownDevices,
        List<(string UserId, string Target, string KeyId, string Signature)> accepted, CancellationToken cancellationToken) => changes.MakeAsync(
        async change =>
        {
            // Signatures on one's own keys are for everybody; those on others' keys are told to their signer alone.
            var own = new List<string>();
            foreach (var (userId, target, keyId, signature) in accepted)
            {
                if (await Signatures.SaveAsync(change, signer, userId, target, keyId, signature) && userId == signer) own.Add(target);
            }

            return own.Count == 0 ? 0 : await DeviceLists.ChangeAsync(change, signer, own.FirstOrDefault(ownDevices.ContainsKey, ""));
        },
        cancellationToken);

    /// <summary>Which key of the caller signs what, and whether it has.</summary>
    private sealed class Signing(string caller, KeyQueryResponse seen)
    {
        public KeyFailure? Check(string userId, string target, JsonElement signed)
        {
            if (Find(userId, target) is not { } key) return new("M_NOT_FOUND", "There is no such key that you can sign");
            if (!KeyJson.SameButSignatures(signed, Parse(key)))
                return new("M_INVALID_PARAM", "This is not the key that this server knows, with signatures");
            return Valid(userId, target, signed).Count == 0 ? new("M_INVALID_SIGNATURE", "There is no valid signature of yours") : null;
        }

        /// <summary>The caller's signatures with a key that is meant for it. Others say nothing, and are left out.</summary>
        public Dictionary<string, string> Valid(string userId, string target, JsonElement signed)
        {
            var signers = SignersOf(userId, target);
            return KeyJson.SignaturesOf(signed, caller)
                .Where(signature => signers.TryGetValue(signature.Key, out var publicKey)
                    && UnpaddedBase64.Decode(publicKey) is { } key
                    && SignedJson.IsSigned(signed, caller, signature.Key, key))
                .ToDictionary();
        }

        private JsonObject? Find(string userId, string target)
        {
            if (seen.MasterKeys.TryGetValue(userId, out var master) && PublicKey(master) == target) return master;
            return userId == caller && seen.DeviceKeys.TryGetValue(caller, out var devices) ? devices.GetValueOrDefault(target) : null;
        }

        // The self-signing key signs devices, the user-signing key other users' master keys, and devices their own user's.
        private Dictionary<string, string> SignersOf(string userId, string target)
        {
            if (userId != caller) return KeyOf(seen.UserSigningKeys!.GetValueOrDefault(caller));
            var devices = seen.DeviceKeys[caller];
            return devices.ContainsKey(target)
                ? KeyOf(seen.SelfSigningKeys.GetValueOrDefault(caller))
                : devices.SelectMany(device => KeyOf(device.Value, SigningKey.Algorithm + device.Key)).ToDictionary();
        }

        private static string? PublicKey(JsonObject key) => KeyOf(key).Values.SingleOrDefault();

        // A cross-signing key has one key, a device has several: it signs with the one that has the device's name.
        private static Dictionary<string, string> KeyOf(JsonObject? key, string? keyId = null) => key?["keys"] is not JsonObject keys
            ? []
            : keys.Where(member => keyId is null || member.Key == keyId)
                .ToDictionary(member => member.Key, member => member.Value!.GetValue<string>());

        private static JsonElement Parse(JsonObject key) => JsonElement.Parse(Encoding.UTF8.GetBytes(key.ToJsonString()));
    }
}

internal sealed record SignatureResponse(Dictionary<string, Dictionary<string, KeyFailure>> Failures);
