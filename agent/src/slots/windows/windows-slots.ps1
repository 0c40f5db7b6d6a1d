# Drives the slots of a BASE on this Windows machine and prints one JSON object.
# Reads its order from standard input: {"action":"read|offer|withdraw|start_once|start_by_default|size|partition_of|apply", ...}.
# A slot is named by the GPT GUID of its system partition, never by a drive letter. Boot entries are read through the BCD WMI
# provider, whose answers do not depend on the language of Windows, and changed by bcdedit and bcdboot:
#   https://learn.microsoft.com/previous-versions/windows/desktop/bcd/bcdstore
#   https://learn.microsoft.com/windows-hardware/drivers/devtest/bcdedit--bootsequence
#   https://learn.microsoft.com/windows-hardware/manufacture/desktop/bcdboot-command-line-options-techref-di
#   https://learn.microsoft.com/windows-hardware/manufacture/desktop/dism-image-management-command-line-options-s14
Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
[Console]::OutputEncoding = [System.Text.Encoding]::UTF8

# BcdBootMgrElementTypes and BcdOSLoaderElementTypes.
$bootManager = '{9dea862c-5cdd-4e70-acc1-f32b344d4795}'
$displayOrder = 0x24000001
$bootSequence = 0x24000002
$defaultObject = 0x23000003
$osDevice = 0x21000001
$osLoader = 0x10200003
$resultFailed = 'failed'

function Write-Answer($answer) {
  [Console]::Out.WriteLine((ConvertTo-Json $answer -Depth 5 -Compress))
}

function Invoke-Tool($program, $arguments) {
  $output = & (Join-Path $env:SystemRoot "System32\$program") @arguments 2>&1 | Out-String
  if ($LASTEXITCODE -ne 0) { throw "$program $($arguments[0]) ended with ${LASTEXITCODE}: $output" }
}

function Get-SlotPartition($guid) {
  $found = @(Get-Partition | Where-Object { $_.Guid -eq $guid })
  if ($found.Count -ne 1) { throw "there are $($found.Count) partitions $guid" }
  $found[0]
}

function Get-Store {
  $opened = ([wmiclass]'\\.\root\wmi:BcdStore').OpenStore('')
  if (-not $opened.ReturnValue) { throw 'the boot configuration store cannot be opened' }
  $opened.Store
}

function Get-Value($object, $type) {
  # An element that is absent is an error of the provider.
  try { $object.GetElement($type).Element } catch { $null }
}

# Each loader entry with the partition that it starts: GetElementWithFlags 1 gives the partition's own GUID.
function Get-Entries($store) {
  $entries = @()
  foreach ($object in $store.EnumerateObjects($osLoader).Objects) {
    try {
      $device = $object.GetElementWithFlags($osDevice, 1).Element.Device
      $entries += @{ id = [string]$object.Id; partition = ([string]$device.PartitionIdentifier).ToLowerInvariant() }
    } catch { }
  }
  , $entries
}

function Get-EntryOf($store, $guid) {
  $mine = @(Get-Entries $store | ForEach-Object { $_ } | Where-Object { $_.partition -eq $guid })
  if ($mine.Count -eq 0) { $null } else { $mine[0].id }
}

function Read-State {
  $store = Get-Store
  $manager = $store.OpenObject($bootManager).Object
  $default = Get-Value $manager $defaultObject
  $sequence = Get-Value $manager $bootSequence
  $shown = Get-Value $manager $displayOrder
  $system = Get-Partition -DriveLetter ($env:SystemDrive.Substring(0, 1))
  @{
    result = 'done'
    booted = ([string]$system.Guid).ToLowerInvariant()
    default = if ($default) { [string]$default.Id } else { '' }
    sequence = @(if ($sequence) { $sequence.Ids | ForEach-Object { [string]$_ } })
    shown = @(if ($shown) { $shown.Ids | ForEach-Object { [string]$_ } })
    entries = @(Get-Entries $store | ForEach-Object { $_ })
  }
}

# Gives the partition a path for as long as the work takes, and flushes it at the end.
function Use-Partition($guid, $work) {
  $partition = Get-SlotPartition $guid
  if ($partition.IsBoot -or $partition.IsSystem) { throw "partition $guid is in use: it holds the Windows that runs, or starts it" }
  $path = Join-Path ([System.IO.Path]::GetTempPath()) "iotdh-slot-$([Guid]::NewGuid())"
  [void](New-Item -ItemType Directory -Path $path)
  try {
    $partition | Add-PartitionAccessPath -AccessPath $path
    & $work $path
    $partition | Get-Volume | Write-VolumeCache
  } finally {
    $partition | Remove-PartitionAccessPath -AccessPath $path -ErrorAction SilentlyContinue
    Remove-Item $path -Force -ErrorAction SilentlyContinue
  }
}

# Formats the partition, applies the image, and compares every file with the image mounted beside it.
function Write-Slot($order) {
  $partition = Get-SlotPartition $order.partition
  if ($partition.IsBoot -or $partition.IsSystem) { throw "partition $($order.partition) is in use" }
  [void]($partition | Format-Volume -FileSystem NTFS -NewFileSystemLabel 'iotdh' -Force -Confirm:$false)
  $answer = @{ result = 'done'; files = 0; different = @() }
  Use-Partition $order.partition {
    param($path)
    Invoke-Tool 'Dism.exe' @('/English', '/Apply-Image', "/ImageFile:$($order.image)", "/Index:$($order.index)", "/ApplyDir:$path\", '/CheckIntegrity', '/Verify')
  }
  # The path is a new one: what is compared was read from the volume after its cache was written.
  $mounted = Join-Path ([System.IO.Path]::GetTempPath()) "iotdh-image-$([Guid]::NewGuid())"
  [void](New-Item -ItemType Directory -Path $mounted)
  try {
    [void](Mount-WindowsImage -ImagePath $order.image -Index $order.index -Path $mounted -ReadOnly -CheckIntegrity)
    Use-Partition $order.partition {
      param($path)
      foreach ($file in [System.IO.Directory]::EnumerateFiles($mounted, '*', 'AllDirectories')) {
        $answer.files++
        $copy = $path + $file.Substring($mounted.Length)
        $same = (Test-Path -LiteralPath $copy) -and ((Get-FileHash -LiteralPath $copy).Hash -eq (Get-FileHash -LiteralPath $file).Hash)
        if (-not $same -and $answer.different.Count -lt 10) { $answer.different += $file.Substring($mounted.Length) }
      }
    }
  } finally {
    Dismount-WindowsImage -Path $mounted -Discard -ErrorAction SilentlyContinue | Out-Null
    Remove-Item $mounted -Recurse -Force -ErrorAction SilentlyContinue
  }
  $answer
}

try {
  $order = [Console]::In.ReadToEnd() | ConvertFrom-Json
  switch ($order.action) {
    'read' { Write-Answer (Read-State) }
    'size' { Write-Answer @{ result = 'done'; bytes = [long](Get-SlotPartition $order.partition).Size } }
    # Get-Volume -FilePath follows mounted folders: https://learn.microsoft.com/powershell/module/storage/get-volume
    'partition_of' { Write-Answer @{ result = 'done'; partition = ([string](Get-Volume -FilePath $order.folder | Get-Partition).Guid).ToLowerInvariant() } }
    'apply' { Write-Answer (Write-Slot $order) }
    'offer' {
      # The slot that runs keeps the entry that has started it.
      $entry = Get-EntryOf (Get-Store) $order.partition
      $running = ([string](Get-Partition -DriveLetter ($env:SystemDrive.Substring(0, 1))).Guid) -eq $order.partition
      if (-not $running) {
        # /d: the default entry stays what it is.
        Use-Partition $order.partition { param($path) Invoke-Tool 'bcdboot.exe' @("$path\Windows", '/f', 'UEFI', '/d') }
        $entry = Get-EntryOf (Get-Store) $order.partition
      }
      if (-not $entry) { throw "no boot entry starts partition $($order.partition)" }
      Invoke-Tool 'bcdedit.exe' @('/displayorder', $entry, '/addlast')
      Write-Answer (Read-State)
    }
    'withdraw' {
      $entry = Get-EntryOf (Get-Store) $order.partition
      if ($entry) { Invoke-Tool 'bcdedit.exe' @('/delete', $entry, '/cleanup') }
      Write-Answer (Read-State)
    }
    'start_once' {
      if ($order.partition) {
        $entry = Get-EntryOf (Get-Store) $order.partition
        if (-not $entry) { throw "no boot entry starts partition $($order.partition)" }
        Invoke-Tool 'bcdedit.exe' @('/bootsequence', $entry)
      } else {
        $sequence = Get-Value (Get-Store).OpenObject($bootManager).Object $bootSequence
        if ($sequence) { Invoke-Tool 'bcdedit.exe' @('/deletevalue', '{bootmgr}', 'bootsequence') }
      }
      Write-Answer (Read-State)
    }
    'start_by_default' {
      $entry = Get-EntryOf (Get-Store) $order.partition
      if (-not $entry) { throw "no boot entry starts partition $($order.partition)" }
      Invoke-Tool 'bcdedit.exe' @('/default', $entry)
      Write-Answer (Read-State)
    }
    default { throw "unknown action $($order.action)" }
  }
} catch {
  Write-Answer @{ result = $resultFailed; message = [string]$_.Exception.Message }
}
