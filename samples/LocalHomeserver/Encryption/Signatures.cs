using System.Text.Json.Nodes;

namespace LocalHomeserver;

/// <summary>
/// Signatures that were added to keys after these were uploaded. Whose key it is and who has signed it see a signature, and
/// nobody else does: whom a user trusts is the user's own business.
/// </summary>
internal static class Signatures
{
    /// <summary>Keeps a signature; false when it is kept already.</summary>
    /// <param name="change">The change.</param>
    /// <param name="signer">Who has signed.</param>
    /// <param name="userId">Whose key it is.</param>
    /// <param name="target">The device, or the public key.</param>
    /// <param name="keyId">What it was signed with.</param>
    /// <param name="signature">The signature.</param>
    public static async Task<bool> SaveAsync(
        KeyChange change, string signer, string userId, string target, string keyId, string signature)
    {
        var before = await change.Statements.QueryAsync(
            """
            SELECT signature FROM local_homeserver.key_signature
            WHERE signer_id = $1 AND user_id = $2 AND target = $3 AND key_id = $4
            """,
            row => row.Text(0), signer, userId, target, keyId);
        if (before is [var same] && same == signature) return false;

        await change.Statements.ExecuteAsync(
            """
            INSERT INTO local_homeserver.key_signature VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (signer_id, user_id, target, key_id) DO UPDATE SET signature = excluded.signature, position = excluded.position
            """,
            signer, userId, target, keyId, signature, change.TakePosition());
        return true;
    }

    /// <summary>The signatures by the user and by whoever asks, under the devices and the public keys that they are for.</summary>
    public static async Task<ILookup<string, Signature>> FindAsync(KeyStatements statements, string userId, string? asker)
    {
        var signatures = await statements.QueryAsync(
            """
            SELECT target, signer_id, key_id, signature FROM local_homeserver.key_signature
            WHERE user_id = $1 AND signer_id IN ($1, $2)
            """,
            row => (Target: row.Text(0), Signature: new Signature(row.Text(1), row.Text(2), row.Text(3))), userId, asker ?? userId);
        return signatures.ToLookup(found => found.Target, found => found.Signature);
    }

    /// <summary>Removes what users have signed of a device that has ended. Nobody but its own user signs a device.</summary>
    public static Task<int> RemoveAsync(KeyStatements statements, string userId, string deviceId) => statements.ExecuteAsync(
        "DELETE FROM local_homeserver.key_signature WHERE signer_id = $1 AND user_id = $1 AND target = $2", userId, deviceId);
}

/// <summary>A signature of a key.</summary>
internal sealed record Signature(string Signer, string KeyId, string Text)
{
    public void AddTo(JsonObject key) => KeyJson.AddSignature(key, Signer, KeyId, Text);
}
